UPDATE longhaul_jobs SET cancel_requested = ?2, revision = revision + 1 WHERE seq = ?1
