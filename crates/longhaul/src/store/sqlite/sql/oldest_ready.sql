SELECT seq, run_at FROM longhaul_jobs INDEXED BY longhaul_jobs_ready
WHERE wait = 1 AND queue = ?1 AND kind = ?2 AND priority = ?3 ORDER BY seq LIMIT 1
