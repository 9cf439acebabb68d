DELETE FROM longhaul_tokens WHERE id = ?1
