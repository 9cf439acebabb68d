SELECT w.id, w.name, w.about, w.joined_at, w.lease, w.lease_end, (
  SELECT count(*) FROM longhaul_jobs AS j INDEXED BY longhaul_jobs_worker
  WHERE j.state IN (0, 1) AND j.worker = w.id AND j.worker IS NOT NULL
)
FROM longhaul_workers AS w WHERE w.alive = 1 ORDER BY w.id
