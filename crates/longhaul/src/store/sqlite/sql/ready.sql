SELECT seq, priority FROM longhaul_jobs INDEXED BY longhaul_jobs_ready
WHERE wait = 1 AND queue = ?1 AND kind = ?2 AND run_at <= ?4 ORDER BY priority DESC, seq LIMIT ?3
