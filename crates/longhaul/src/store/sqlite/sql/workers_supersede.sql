UPDATE longhaul_workers SET alive = 0 WHERE alive = 1 AND lease IS NULL AND name <> ?1
