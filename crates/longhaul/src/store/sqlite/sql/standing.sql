SELECT owner, kind, queue, state, cancel_requested IS NOT NULL, items_failed > 0, wait, reason, claim, unique_key, follow_ups,
  run_at
FROM longhaul_jobs WHERE seq = ?1
