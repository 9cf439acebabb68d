INSERT INTO longhaul_jobs (
  seq, id, owner, kind, queue, priority, wait, reason, run_at, created_at, max_attempts, attempt_timeout, timeout, unique_key,
  follow_ups
)
VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?)
