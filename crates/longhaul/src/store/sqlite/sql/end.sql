UPDATE longhaul_jobs SET
  state = ?2, wait = NULL, reason = NULL, run_at = NULL, worker = NULL, since = NULL, cancel_requested = NULL,
  ended_at = ?3, sweep_at = ?4, attempts = attempts + ?5,
  error_code = coalesce(?6, error_code), error_message = coalesce(?7, error_message), revision = revision + 1
WHERE seq = ?1
