SELECT run_at FROM longhaul_jobs INDEXED BY longhaul_jobs_waiting WHERE wait = 2 ORDER BY run_at LIMIT 1
