UPDATE longhaul_jobs SET
  state = 0, wait = 1, reason = 3, run_at = ?2, attempts = 0, rescues = 0, started_at = NULL, deadline = NULL,
  ended_at = NULL, sweep_at = NULL, check_every = NULL, error_code = NULL, error_message = NULL, items_failed = 0,
  revision = revision + 1
WHERE seq = ?1
