SELECT seq FROM longhaul_jobs INDEXED BY longhaul_jobs_ready
WHERE wait = 1 AND queue = ?4 AND kind = ?5 AND priority = ?6 AND seq < ?1 AND seq >= ?2
ORDER BY seq DESC LIMIT ?3
