SELECT seq FROM longhaul_jobs NOT INDEXED
WHERE seq < ?1 AND (?2 IS NULL OR owner = ?2)
  AND (?3 IS NULL OR kind IN (SELECT value FROM json_each(?3)))
  AND (?4 IS NULL OR queue IN (SELECT value FROM json_each(?4)))
  AND (?5 >> state) & 1
ORDER BY seq DESC LIMIT ?6
