INSERT INTO longhaul.results (job, result) SELECT * FROM unnest($1::bigint[], $2::text[])
ON CONFLICT (job) DO UPDATE SET result = excluded.result
