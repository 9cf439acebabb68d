SELECT count(*) FROM (
  SELECT 1 FROM longhaul_jobs INDEXED BY longhaul_jobs_failed
  WHERE state = 3 AND kind = ?1 AND error_code = ?2 AND owner BETWEEN ?3 AND ?4
  LIMIT ?5
)
