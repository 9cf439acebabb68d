UPDATE longhaul_workers SET alive = 0 WHERE name = ?1 AND alive = 1
