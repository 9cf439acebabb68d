SELECT kind, error_code FROM longhaul_jobs INDEXED BY longhaul_jobs_failed
WHERE state = 3 AND (kind, error_code) > (?1, ?2)
ORDER BY kind, error_code LIMIT 1
