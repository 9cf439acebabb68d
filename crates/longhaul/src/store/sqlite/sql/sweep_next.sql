UPDATE longhaul_jobs SET sweep_at = ?2, revision = revision + 1 WHERE seq = ?1
