DELETE FROM longhaul_attempts WHERE job = ?1 AND claim <= ?2
