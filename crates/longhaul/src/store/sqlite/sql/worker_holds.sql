SELECT id FROM longhaul_jobs INDEXED BY longhaul_jobs_worker
WHERE state = ?1 AND worker = ?2 AND worker IS NOT NULL ORDER BY seq LIMIT ?3
