SELECT deadline FROM longhaul_jobs INDEXED BY longhaul_jobs_deadline
WHERE wait = ?1 AND wait IS NOT NULL AND deadline IS NOT NULL ORDER BY deadline LIMIT 1
