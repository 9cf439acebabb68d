UPDATE longhaul.live SET wait = 1 WHERE seq IN (
  SELECT seq FROM longhaul.live WHERE wait = 2 AND run_at <= $1 ORDER BY run_at LIMIT $2 FOR UPDATE SKIP LOCKED
)
