SELECT seq FROM longhaul_jobs INDEXED BY longhaul_jobs_ready
WHERE wait = 1 AND queue = ?1 AND kind = ?2 AND seq < ?3 AND (?4 IS NULL OR owner = ?4)
ORDER BY seq DESC LIMIT ?5
