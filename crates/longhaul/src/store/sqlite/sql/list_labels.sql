SELECT l.job FROM longhaul_labels AS l
CROSS JOIN longhaul_jobs AS j ON j.seq = l.job
WHERE l.name = ?7 AND l.value = ?8 AND l.job < ?1 AND (?2 IS NULL OR j.owner = ?2)
  AND (?3 IS NULL OR j.kind IN (SELECT value FROM json_each(?3)))
  AND (?4 IS NULL OR j.queue IN (SELECT value FROM json_each(?4)))
  AND (?5 >> j.state) & 1
  AND NOT EXISTS (
    SELECT 1 FROM json_each(?9) AS more WHERE NOT EXISTS (
      SELECT 1 FROM longhaul_labels AS x WHERE x.name = more.key AND x.value = more.value AND x.job = l.job
    )
  )
ORDER BY l.job DESC LIMIT ?6
