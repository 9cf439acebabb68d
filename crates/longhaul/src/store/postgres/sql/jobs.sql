SELECT
  j.seq, j.id, o.name, k.name, q.name, j.priority,
  coalesce(e.state, CASE WHEN l.wait IS NULL THEN 1 ELSE 0 END)::smallint, l.reason, l.run_at, w.name, l.since,
  l.cancel_requested, e.ended_at, coalesce(l.claim, e.claim), coalesce(l.attempts, e.attempts), j.max_attempts,
  coalesce(l.rescues, e.rescues), j.attempt_timeout, j.timeout, coalesce(l.items, e.items),
  coalesce(l.items_completed, e.items_completed), coalesce(l.items_failed, e.items_failed),
  coalesce(l.error_code, e.error_code), coalesce(l.error_message, e.error_message), j.created_at,
  coalesce(l.started_at, e.started_at), j.unique_key, coalesce(l.revision, e.revision), j.labels, p.progress
FROM longhaul.jobs AS j
JOIN longhaul.names AS o ON o.id = j.owner
JOIN longhaul.names AS k ON k.id = j.kind
JOIN longhaul.names AS q ON q.id = j.queue
LEFT JOIN longhaul.live AS l ON l.seq = j.seq
LEFT JOIN longhaul.ended AS e ON e.seq = j.seq
LEFT JOIN longhaul.workers AS w ON w.id = l.worker
LEFT JOIN longhaul.progress AS p ON p.job = j.seq
WHERE j.seq = ANY($1::bigint[]) AND (l.seq IS NOT NULL OR e.seq IS NOT NULL)
ORDER BY j.seq DESC
