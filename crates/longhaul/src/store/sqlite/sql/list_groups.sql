SELECT owner, kind, queue, state, n FROM longhaul_counts WHERE n > 0 LIMIT ?1
