DELETE FROM longhaul_attempts WHERE job = ?1
