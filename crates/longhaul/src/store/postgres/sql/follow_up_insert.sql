INSERT INTO longhaul.follow_ups (job, position, follow_up) SELECT * FROM unnest($1::bigint[], $2::bigint[], $3::text[])
