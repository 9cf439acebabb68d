SELECT j.seq, j.claim, j.owner, j.kind, j.queue, j.revision, j.lines
FROM rarray(?1) AS ending
CROSS JOIN longhaul_jobs AS j ON j.seq = ending.value
WHERE j.state = 1 AND j.cancel_requested IS NULL AND j.items = 0 AND j.error_code IS NULL AND j.follow_ups = 0
