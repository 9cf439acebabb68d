SELECT e.seq, e.owner, e.kind, e.queue, e.state, e.ended_at, e.claim, e.revision, e.items, e.items_completed, e.items_failed,
  e.lines, j.priority, j.follow_ups, j.timeout, j.unique_key, j.labels
FROM longhaul.ended AS e JOIN longhaul.jobs AS j ON j.seq = e.seq WHERE e.seq = $1 FOR UPDATE OF e
