UPDATE longhaul_jobs SET
  state = 2, wait = NULL, reason = NULL, run_at = NULL, worker = NULL, since = NULL,
  ended_at = ?2, sweep_at = ?3, error_code = NULL, error_message = NULL, revision = revision + 1
WHERE seq IN (SELECT value FROM json_each(?1))
