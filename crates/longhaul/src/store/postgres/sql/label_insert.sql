INSERT INTO longhaul.labels (name, value, job) SELECT * FROM unnest($1::text[], $2::text[], $3::bigint[])
