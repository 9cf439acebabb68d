SELECT seq FROM longhaul_jobs INDEXED BY longhaul_jobs_begun
WHERE kind = ?4 AND owner = ?5 AND state = 0 AND started_at IS NOT NULL AND seq < ?1 AND seq >= ?2
ORDER BY seq DESC LIMIT ?3
