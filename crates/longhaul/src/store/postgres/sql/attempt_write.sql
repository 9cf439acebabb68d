INSERT INTO longhaul.attempts (job, claim, worker, started_at, ended_at, outcome, error_code, error_message)
SELECT $1, $2, w.name, $4, $5, $6, $7, $8 FROM longhaul.workers AS w WHERE w.id = $3
ON CONFLICT (job, claim) DO NOTHING
