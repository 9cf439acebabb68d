SELECT seq FROM longhaul_jobs INDEXED BY longhaul_jobs_worker
WHERE state = 1 AND worker IS NOT NULL AND seq < ?1 AND seq >= ?2
ORDER BY seq DESC LIMIT ?3
