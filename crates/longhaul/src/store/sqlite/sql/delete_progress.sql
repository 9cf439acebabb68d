DELETE FROM longhaul_progress WHERE job = ?1
