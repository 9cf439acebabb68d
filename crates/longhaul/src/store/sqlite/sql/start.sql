UPDATE longhaul_jobs SET wait = 1, reason = 0, run_at = ?2, revision = revision + 1 WHERE seq = ?1
