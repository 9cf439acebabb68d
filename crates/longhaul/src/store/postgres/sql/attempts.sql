SELECT claim, worker, started_at, ended_at, outcome, error_code, error_message
FROM longhaul.attempts WHERE job = $1 ORDER BY claim
