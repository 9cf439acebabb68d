SELECT name FROM longhaul_workers WHERE id = ?1
