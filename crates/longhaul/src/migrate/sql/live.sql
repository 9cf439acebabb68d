SELECT seq, owner, kind, queue, priority, wait, reason, follow_ups, run_at, claim, revision, started_at, timeout, deadline,
  attempts, rescues, items, items_completed, items_failed, lines, unique_key, error_code, error_message
FROM longhaul_jobs WHERE ended_at IS NULL
ORDER BY seq
