INSERT INTO longhaul.kinds (kind, version, retention, sweep_after, queue, max_attempts, attempt_timeout, timeout)
VALUES ($1, $2, $3, $4, $5, $6, $7, $8)
ON CONFLICT (kind) DO UPDATE SET
  version = excluded.version,
  retention = excluded.retention,
  sweep_after = excluded.sweep_after,
  queue = excluded.queue,
  max_attempts = excluded.max_attempts,
  attempt_timeout = excluded.attempt_timeout,
  timeout = excluded.timeout
