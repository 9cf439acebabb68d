UPDATE longhaul_jobs SET wait = ?2, run_at = ?3, worker = NULL, since = NULL, revision = revision + 1 WHERE seq = ?1
