SELECT j.seq, k.name, j.state, j.ended_at
FROM longhaul_jobs AS j INDEXED BY longhaul_jobs_sweep
JOIN longhaul_names AS k ON k.id = j.kind
WHERE j.sweep_at <= ?1 ORDER BY j.sweep_at LIMIT ?2
