INSERT INTO longhaul_names (name) VALUES (?1)
