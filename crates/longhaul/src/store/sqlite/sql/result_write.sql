INSERT INTO longhaul_results (job, result) VALUES (?1, ?2) ON CONFLICT (job) DO UPDATE SET result = excluded.result
