SELECT longhaul.submit(
  kind => $1, args => $2::text::json, id => $3, owner => $4, queue => $5, priority => $6::integer, labels => $7::text::jsonb,
  run_at => 'epoch'::timestamptz + $8::bigint * interval '1 millisecond', held => $9, unique_key => $10,
  max_attempts => $11::integer, attempt_timeout => $12::bigint * interval '1 millisecond',
  timeout => $13::bigint * interval '1 millisecond', args_version => $14::integer
)
