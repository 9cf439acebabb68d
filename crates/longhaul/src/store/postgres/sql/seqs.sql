SELECT nextval('longhaul.job_seq') FROM generate_series(1, $1::bigint)
