SELECT id FROM longhaul_workers WHERE alive = 0
