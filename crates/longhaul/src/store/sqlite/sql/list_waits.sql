SELECT seq FROM longhaul_jobs INDEXED BY longhaul_jobs_waits
WHERE kind = ?4 AND owner = ?5 AND wait > 1 AND seq < ?1 AND seq >= ?2
ORDER BY seq DESC LIMIT ?3
