SELECT
  owner, kind, queue, state, worker, since, cancel_requested IS NOT NULL, revision,
  items, items_completed, items_failed, lines, rescues, follow_ups
FROM longhaul_jobs
WHERE seq = ?1 AND claim = ?2 AND worker IS NOT NULL
