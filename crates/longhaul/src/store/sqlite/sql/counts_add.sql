INSERT INTO longhaul_counts (owner, kind, queue, state, n) VALUES (?1, ?2, ?3, ?4, ?5)
