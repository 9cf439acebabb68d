INSERT INTO longhaul_attempts (job, claim, worker, started_at, ended_at, outcome, error_code, error_message)
VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8)
ON CONFLICT (job, claim) DO NOTHING
