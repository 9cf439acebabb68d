SELECT position, name, state, attempts, error_code, error_message, result, updated_at
FROM longhaul.items WHERE job = $1 AND position > $2 ORDER BY position LIMIT $3
