SELECT j.seq, j.id, j.owner, j.kind, j.queue, j.priority, j.follow_ups, j.created_at, j.max_attempts, j.attempt_timeout, j.timeout,
  a.version, j.unique_key, a.labels, a.args
FROM longhaul_jobs AS j JOIN longhaul_args AS a ON a.job = j.seq
ORDER BY j.seq
