SELECT 1 FROM longhaul_jobs INDEXED BY longhaul_jobs_ready WHERE wait = 1 AND run_at <= ?1 LIMIT 1
