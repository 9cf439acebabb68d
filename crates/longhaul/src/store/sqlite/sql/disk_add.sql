INSERT INTO longhaul_disk (owner, bytes) VALUES (?1, ?2)
