DELETE FROM longhaul_results WHERE job = ?1
