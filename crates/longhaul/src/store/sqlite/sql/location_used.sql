SELECT 1 FROM longhaul_artifacts INDEXED BY longhaul_artifacts_location WHERE location = ?1
