INSERT INTO longhaul_counts (owner, kind, queue, state, n) VALUES (?1, ?2, ?3, ?4, ?5)
ON CONFLICT (owner, kind, queue, state) DO UPDATE SET n = n + excluded.n
