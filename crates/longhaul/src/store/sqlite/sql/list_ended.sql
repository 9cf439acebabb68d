SELECT seq FROM longhaul_jobs INDEXED BY longhaul_jobs_ended
WHERE kind = ?1 AND owner = ?2 AND state = ?4 AND ended_at IS NOT NULL AND seq < ?3
  AND (?5 IS NULL OR queue IN (SELECT value FROM json_each(?5)))
ORDER BY seq DESC LIMIT ?6
