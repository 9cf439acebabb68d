SELECT position, name, state, attempts, error_code, error_message, result, updated_at
FROM longhaul_items INDEXED BY longhaul_items_state
WHERE job = ?1 AND state = ?4 AND position > ?2 ORDER BY position LIMIT ?3
