INSERT INTO longhaul_items (job, position, name, state, attempts, error_code, error_message, result, updated_at)
VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8, ?9)
