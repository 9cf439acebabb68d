SELECT seq FROM longhaul_jobs INDEXED BY longhaul_jobs_failed
WHERE kind = ?4 AND owner = ?5 AND error_code = ?6 AND state = 3 AND seq < ?1 AND seq >= ?2
ORDER BY seq DESC LIMIT ?3
