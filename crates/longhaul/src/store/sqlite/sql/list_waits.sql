SELECT seq FROM longhaul_jobs INDEXED BY longhaul_jobs_waits
WHERE kind = ?1 AND owner = ?2 AND wait > 1 AND seq < ?3
  AND (?4 IS NULL OR queue IN (SELECT value FROM json_each(?4)))
ORDER BY seq DESC LIMIT ?5
