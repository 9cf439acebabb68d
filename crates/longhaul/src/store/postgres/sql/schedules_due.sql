SELECT s.name, o.name, s.definition, s.paused, s.next_at, s.look_at, s.last_at, s.last_job, s.submitted, s.missed, s.skipped,
  s.error, s.created_at, s.updated_at, s.revision
FROM longhaul.schedules AS s JOIN longhaul.names AS o ON o.id = s.owner
WHERE s.look_at <= $1 ORDER BY s.look_at LIMIT $2
