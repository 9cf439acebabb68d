UPDATE longhaul_jobs SET
  state = 0, wait = ?2, reason = ?3, run_at = ?4, worker = NULL, since = NULL, attempts = attempts + ?5,
  error_code = coalesce(?6, error_code), error_message = coalesce(?7, error_message), revision = revision + 1
WHERE seq = ?1
