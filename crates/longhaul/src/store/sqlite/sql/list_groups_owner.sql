SELECT owner, kind, queue, state, n FROM longhaul_counts WHERE owner = ?2 AND n > 0 LIMIT ?1
