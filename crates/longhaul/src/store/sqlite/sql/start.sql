UPDATE longhaul_jobs SET wait = 1, reason = CASE reason WHEN 3 THEN 3 ELSE 0 END, run_at = ?2, revision = revision + 1 WHERE seq = ?1
