UPDATE longhaul.live SET
  wait = $2, reason = $3, run_at = $4, worker = $5, since = $6, revision = $7, started_at = $8, deadline = $9,
  cancel_requested = $10, check_every = $11, attempts = $12, rescues = $13, items = $14, items_completed = $15,
  items_failed = $16, lines = $17, error_code = $18, error_message = $19
WHERE seq = $1
