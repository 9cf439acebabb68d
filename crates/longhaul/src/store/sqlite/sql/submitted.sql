SELECT j.id FROM longhaul_jobs AS j
JOIN longhaul_names AS o ON o.id = j.owner
JOIN longhaul_names AS k ON k.id = j.kind
WHERE o.name = ?1 AND k.name = ?2 AND j.unique_key = ?3 AND j.unique_key IS NOT NULL AND j.ended_at IS NULL
