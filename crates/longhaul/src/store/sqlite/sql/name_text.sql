SELECT name FROM longhaul_names WHERE id = ?1
