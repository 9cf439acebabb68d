DELETE FROM longhaul_checkpoints WHERE job = ?1
