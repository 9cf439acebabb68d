SELECT progress FROM longhaul_progress WHERE job = ?1
