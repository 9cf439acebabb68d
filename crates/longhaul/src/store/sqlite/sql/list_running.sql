SELECT seq FROM longhaul_jobs INDEXED BY longhaul_jobs_worker
WHERE state = 1 AND worker IS NOT NULL AND seq < ?1
  AND (?2 IS NULL OR owner = ?2)
  AND (?3 IS NULL OR kind IN (SELECT value FROM json_each(?3)))
  AND (?4 IS NULL OR queue IN (SELECT value FROM json_each(?4)))
ORDER BY seq DESC LIMIT ?5
