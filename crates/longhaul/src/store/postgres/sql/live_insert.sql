INSERT INTO longhaul.live (seq, owner, kind, queue, priority, follow_ups, wait, reason, run_at, timeout, unique_key)
SELECT * FROM unnest(
  $1::bigint[], $2::integer[], $3::integer[], $4::integer[], $5::smallint[], $6::integer[], $7::smallint[], $8::smallint[],
  $9::bigint[], $10::bigint[], $11::text[]
)
ON CONFLICT DO NOTHING
