UPDATE longhaul_jobs SET
  state = 0, wait = ?2, reason = 4, run_at = ?3, worker = NULL, since = NULL, attempts = 0, revision = revision + 1
WHERE seq = ?1
