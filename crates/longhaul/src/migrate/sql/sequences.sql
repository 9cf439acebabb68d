SELECT setval('longhaul.job_seq', greatest($1::bigint, 1), $1 > 0),
  setval(pg_get_serial_sequence('longhaul.names', 'id'), coalesce((SELECT max(id) FROM longhaul.names), 0) + 1, false),
  setval(pg_get_serial_sequence('longhaul.tokens', 'number'), coalesce((SELECT max(number) FROM longhaul.tokens), 0) + 1, false),
  setval(pg_get_serial_sequence('longhaul.schedules', 'id'), coalesce((SELECT max(id) FROM longhaul.schedules), 0) + 1, false)
