SELECT k.job, k.id FROM longhaul_keys AS k JOIN longhaul_jobs AS j ON j.seq = k.job
WHERE k.owner = ?1 AND k.key = ?2 AND k.expires_at > ?3
