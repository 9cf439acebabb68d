SELECT * FROM (
  SELECT kind, error_code FROM longhaul_jobs INDEXED BY longhaul_jobs_failed
  WHERE state = 3 AND kind = ?1 AND error_code > ?2 ORDER BY error_code LIMIT 1
)
UNION ALL
SELECT * FROM (
  SELECT kind, error_code FROM longhaul_jobs INDEXED BY longhaul_jobs_failed
  WHERE state = 3 AND kind > ?1 ORDER BY kind, error_code LIMIT 1
)
LIMIT 1
