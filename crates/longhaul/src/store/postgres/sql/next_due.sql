SELECT least(
  (SELECT $1::bigint FROM longhaul.live WHERE wait = 1 AND run_at <= $1::bigint LIMIT 1),
  (SELECT min(run_at) FROM longhaul.live WHERE wait = 2),
  (SELECT min(run_at) FROM longhaul.live WHERE wait = 1),
  (SELECT min(deadline) FROM longhaul.live WHERE deadline IS NOT NULL AND wait IS NOT NULL AND worker IS NULL)
)
