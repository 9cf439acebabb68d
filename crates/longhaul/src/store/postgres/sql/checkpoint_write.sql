INSERT INTO longhaul.checkpoints (job, checkpoint) VALUES ($1, $2)
ON CONFLICT (job) DO UPDATE SET checkpoint = excluded.checkpoint
