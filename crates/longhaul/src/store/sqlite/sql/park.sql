UPDATE longhaul_jobs SET
  state = 0, wait = 4, reason = 4, run_at = ?2, check_every = ?3, attempts = 0, revision = revision + 1
WHERE seq = ?1
