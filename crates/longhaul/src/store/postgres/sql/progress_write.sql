INSERT INTO longhaul.progress (job, progress) VALUES ($1, $2) ON CONFLICT (job) DO UPDATE SET progress = excluded.progress
