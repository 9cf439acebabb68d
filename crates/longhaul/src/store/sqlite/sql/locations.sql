SELECT location, size FROM longhaul_artifacts WHERE job = ?1
