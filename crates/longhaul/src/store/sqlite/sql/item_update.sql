UPDATE longhaul_items SET
  state = ?3, attempts = ?4, error_code = ?5, error_message = ?6, result = ?7, updated_at = ?8
WHERE job = ?1 AND position = ?2
