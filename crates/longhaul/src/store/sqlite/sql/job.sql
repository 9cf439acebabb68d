SELECT
  j.seq, j.id, o.name, k.name, q.name, j.priority, j.state, j.reason, j.run_at, w.name, j.since, j.cancel_requested,
  j.ended_at, j.claim, j.attempts, j.max_attempts, j.rescues, j.attempt_timeout, j.timeout,
  j.items, j.items_completed, j.items_failed, j.error_code, j.error_message, j.created_at, j.started_at,
  j.unique_key, j.revision, a.labels, p.progress
FROM longhaul_jobs AS j
JOIN longhaul_names AS o ON o.id = j.owner
JOIN longhaul_names AS k ON k.id = j.kind
JOIN longhaul_names AS q ON q.id = j.queue
LEFT JOIN longhaul_workers AS w ON w.id = j.worker
LEFT JOIN longhaul_args AS a ON a.job = j.seq
LEFT JOIN longhaul_progress AS p ON p.job = j.seq
WHERE j.seq = ?1
