SELECT seq FROM longhaul_jobs INDEXED BY longhaul_jobs_worker
WHERE state = 1 AND worker = ?1 AND worker IS NOT NULL AND cancel_requested IS NOT NULL ORDER BY seq
