SELECT seq, id FROM longhaul_jobs INDEXED BY longhaul_jobs_unique
WHERE owner = ?1 AND kind = ?2 AND unique_key = ?3 AND unique_key IS NOT NULL AND ended_at IS NULL
