SELECT seq FROM longhaul_jobs INDEXED BY longhaul_jobs_id
WHERE id = ?1 AND (?2 IS NULL OR owner = ?2) ORDER BY seq DESC LIMIT ?3
