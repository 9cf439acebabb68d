SELECT queue, SUM(n) FROM longhaul_counts WHERE state = 0 GROUP BY queue
