SELECT
  j.owner, j.kind, j.queue, j.state, j.worker, j.since, j.cancel_requested IS NOT NULL, j.revision,
  j.items, j.items_completed, j.items_failed, j.lines, j.rescues, j.seq, j.claim, j.error_code IS NOT NULL
FROM rarray(?1) AS ending
CROSS JOIN longhaul_jobs AS j ON j.seq = ending.value
WHERE j.worker IS NOT NULL
