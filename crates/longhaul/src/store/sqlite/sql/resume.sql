DELETE FROM longhaul_pauses WHERE queue = ?1
