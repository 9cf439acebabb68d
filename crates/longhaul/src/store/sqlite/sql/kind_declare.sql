INSERT INTO longhaul_kinds (kind, version, sweep_after, queue, max_attempts, attempt_timeout, timeout)
VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7)
ON CONFLICT (kind) DO UPDATE SET
  version = excluded.version,
  sweep_after = excluded.sweep_after,
  queue = excluded.queue,
  max_attempts = excluded.max_attempts,
  attempt_timeout = excluded.attempt_timeout,
  timeout = excluded.timeout
