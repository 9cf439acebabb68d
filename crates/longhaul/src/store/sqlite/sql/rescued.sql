UPDATE longhaul_jobs SET
  state = ?2, wait = ?3, reason = ?4, run_at = ?5, worker = NULL, since = NULL, cancel_requested = NULL,
  ended_at = ?6, sweep_at = ?7, rescues = rescues + 1,
  error_code = coalesce(?8, error_code), error_message = coalesce(?9, error_message), revision = revision + 1
WHERE seq = ?1
