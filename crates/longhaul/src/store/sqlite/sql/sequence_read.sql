SELECT max(next, coalesce((SELECT max(seq) FROM longhaul_jobs), 0) + 1) FROM longhaul_sequence WHERE one = 1
