SELECT j.seq FROM longhaul_workers AS w
JOIN longhaul_jobs AS j INDEXED BY longhaul_jobs_worker ON j.state IN (0, 1) AND j.worker = w.id AND j.worker IS NOT NULL
WHERE w.name = ?1 AND w.alive = 1 ORDER BY j.seq
