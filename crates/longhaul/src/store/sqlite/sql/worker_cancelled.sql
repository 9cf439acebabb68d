SELECT seq FROM longhaul_jobs INDEXED BY longhaul_jobs_cancel
WHERE worker = ?1 AND cancel_requested IS NOT NULL ORDER BY seq
