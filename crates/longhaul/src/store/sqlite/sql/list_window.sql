SELECT seq FROM longhaul_jobs NOT INDEXED
WHERE seq < ?1 AND seq >= ?2 AND wait = 1 AND (?3 IS NULL OR owner = ?3)
  AND (?4 IS NULL OR kind IN (SELECT value FROM json_each(?4)))
  AND (?5 IS NULL OR queue IN (SELECT value FROM json_each(?5)))
ORDER BY seq DESC LIMIT ?6
