UPDATE longhaul.items SET state = 0, attempts = 0, updated_at = $2 WHERE job = $1 AND state = 3
