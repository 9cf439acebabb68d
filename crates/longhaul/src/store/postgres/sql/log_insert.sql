INSERT INTO longhaul.logs (job, number, time, level, text)
SELECT $1, * FROM unnest($2::bigint[], $3::bigint[], $4::smallint[], $5::text[])
