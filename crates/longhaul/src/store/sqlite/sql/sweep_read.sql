SELECT j.owner, j.kind, j.queue, j.state, a.labels, j.follow_ups FROM longhaul_jobs AS j
LEFT JOIN longhaul_args AS a ON a.job = j.seq WHERE j.seq = ?1 AND j.ended_at IS NOT NULL
