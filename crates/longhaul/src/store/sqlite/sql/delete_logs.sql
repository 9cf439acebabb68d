DELETE FROM longhaul_logs WHERE job = ?1
