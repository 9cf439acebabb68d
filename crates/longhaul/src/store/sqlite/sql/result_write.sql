INSERT INTO longhaul_results (job, result)
VALUES (?, ?)
ON CONFLICT (job) DO UPDATE SET result = excluded.result
