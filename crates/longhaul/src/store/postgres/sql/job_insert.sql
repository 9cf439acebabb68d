INSERT INTO longhaul.jobs (
  seq, id, owner, kind, queue, priority, follow_ups, created_at, max_attempts, attempt_timeout, timeout, args_version,
  unique_key, labels, args
)
SELECT * FROM unnest(
  $1::bigint[], $2::text[], $3::integer[], $4::integer[], $5::integer[], $6::smallint[], $7::integer[], $8::bigint[],
  $9::bigint[], $10::bigint[], $11::bigint[], $12::bigint[], $13::text[], $14::text[], $15::text[]
)
ON CONFLICT (id, owner) DO NOTHING
RETURNING seq
