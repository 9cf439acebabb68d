INSERT INTO longhaul_submit (
  kind, args, args_version, id, owner, queue, priority, labels, run_at, held, unique_key, max_attempts, attempt_timeout,
  timeout
)
VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8, ?9, ?10, ?11, ?12, ?13, ?14)
