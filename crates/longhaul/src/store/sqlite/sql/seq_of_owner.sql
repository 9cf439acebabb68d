SELECT j.seq FROM longhaul_jobs AS j JOIN longhaul_names AS o ON o.id = j.owner WHERE j.id = ?1 AND o.name = ?2
