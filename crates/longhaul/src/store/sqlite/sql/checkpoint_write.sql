INSERT INTO longhaul_checkpoints (job, checkpoint) VALUES (?1, ?2)
ON CONFLICT (job) DO UPDATE SET checkpoint = excluded.checkpoint
