SELECT id FROM longhaul_names WHERE name = ?1
