INSERT INTO longhaul_labels (name, value, job) VALUES (?1, ?2, ?3)
