SELECT (SELECT min(seq) FROM longhaul_jobs), (SELECT max(seq) FROM longhaul_jobs)
