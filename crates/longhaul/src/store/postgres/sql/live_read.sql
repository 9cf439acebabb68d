SELECT seq, owner, kind, queue, priority, wait, reason, follow_ups, run_at, worker, since, claim, revision, started_at, timeout,
  deadline, cancel_requested, check_every, attempts, rescues, items, items_completed, items_failed, lines, error_code,
  error_message
FROM longhaul.live WHERE seq = $1 FOR UPDATE
