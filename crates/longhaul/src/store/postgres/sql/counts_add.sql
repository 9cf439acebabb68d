INSERT INTO longhaul.counts AS c (owner, kind, queue, state, shard, n)
SELECT * FROM unnest($1::integer[], $2::integer[], $3::integer[], $4::smallint[], $5::smallint[], $6::bigint[])
ON CONFLICT (owner, kind, queue, state, shard) DO UPDATE SET n = c.n + excluded.n
