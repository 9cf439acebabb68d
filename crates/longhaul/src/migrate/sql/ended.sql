SELECT seq, owner, kind, queue, state, ended_at, sweep_at, claim, revision, started_at, attempts, rescues, items,
  items_completed, items_failed, lines, error_code, error_message
FROM longhaul_jobs WHERE ended_at IS NOT NULL
ORDER BY seq
