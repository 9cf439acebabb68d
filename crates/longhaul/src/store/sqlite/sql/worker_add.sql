INSERT INTO longhaul_workers (name, lease, lease_end) VALUES (?1, ?2, ?3)
