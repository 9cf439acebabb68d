SELECT min(run_at) FROM longhaul_jobs INDEXED BY longhaul_jobs_ready WHERE wait = 1
