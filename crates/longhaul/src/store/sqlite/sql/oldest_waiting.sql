SELECT queue, seq, run_at FROM longhaul_jobs INDEXED BY longhaul_jobs_waiting
WHERE wait = 2 AND run_at <= ?1 ORDER BY run_at LIMIT ?2
