SELECT owner, kind, queue, state, 0, n FROM longhaul_counts WHERE n > 0
