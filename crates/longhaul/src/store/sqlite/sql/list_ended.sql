SELECT seq FROM longhaul_jobs INDEXED BY longhaul_jobs_ended
WHERE kind = ?4 AND owner = ?5 AND state = ?6 AND ended_at IS NOT NULL AND seq < ?1 AND seq >= ?2
ORDER BY seq DESC LIMIT ?3
