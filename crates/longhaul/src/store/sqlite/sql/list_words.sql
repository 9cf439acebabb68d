SELECT j.owner, j.kind, j.queue, j.state, j.created_at, j.started_at, j.ended_at, j.error_code, j.id, j.error_message, a.labels
FROM longhaul_jobs AS j LEFT JOIN longhaul_args AS a ON a.job = j.seq
WHERE j.seq = ?1
