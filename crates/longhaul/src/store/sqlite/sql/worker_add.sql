INSERT INTO longhaul_workers (name, lease, lease_end, joined_at) VALUES (?1, ?2, ?3, ?4)
