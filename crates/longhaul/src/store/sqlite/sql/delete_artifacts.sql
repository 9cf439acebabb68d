DELETE FROM longhaul_artifacts WHERE job = ?1
