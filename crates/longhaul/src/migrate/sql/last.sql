SELECT max(n) FROM (SELECT max(seq) AS n FROM longhaul_jobs UNION ALL SELECT next - 1 FROM longhaul_sequence)
