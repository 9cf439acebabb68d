INSERT INTO longhaul_jobs (
  seq, id, owner, kind, queue, priority, wait, reason, run_at, created_at, max_attempts, attempt_timeout, timeout, unique_key
) VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8, ?9, ?10, ?11, ?12, ?13, ?14)
