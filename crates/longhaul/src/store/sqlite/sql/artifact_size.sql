SELECT size FROM longhaul_artifacts WHERE job = ?1 AND name = ?2
