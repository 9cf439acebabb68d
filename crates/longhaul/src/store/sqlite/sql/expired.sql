SELECT seq FROM longhaul_jobs INDEXED BY longhaul_jobs_deadline
WHERE wait = ?1 AND wait IS NOT NULL AND deadline IS NOT NULL AND deadline <= ?2 ORDER BY deadline LIMIT ?3
