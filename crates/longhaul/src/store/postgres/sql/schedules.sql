SELECT s.name, o.name, s.definition, s.paused, s.next_at, s.look_at, s.last_at, s.last_job, s.submitted, s.missed, s.skipped,
  s.error, s.created_at, s.updated_at, s.revision
FROM longhaul.schedules AS s JOIN longhaul.names AS o ON o.id = s.owner
WHERE ($1::text IS NULL OR o.name = $1) AND (s.name, o.name) > ($2, $3) ORDER BY s.name, o.name LIMIT $4
