SELECT
  j.seq, j.id, j.owner, j.kind, j.priority, j.claim, j.max_attempts, j.attempt_timeout, j.timeout,
  j.created_at, j.unique_key, j.revision, a.version, a.args, a.labels,
  j.attempts, j.rescues, j.started_at, j.items, j.items_completed, j.items_failed, j.error_code, j.error_message,
  j.run_at
FROM rarray(?1) AS taken
CROSS JOIN longhaul_jobs AS j ON j.seq = taken.value
CROSS JOIN longhaul_args AS a ON a.job = j.seq
