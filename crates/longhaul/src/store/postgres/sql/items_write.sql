INSERT INTO longhaul.items (job, position, name, state, attempts, error_code, error_message, result, updated_at)
SELECT $1, i.position, i.name, i.state, i.attempts, i.code, i.message, i.result, $2
FROM unnest($3::bigint[], $4::text[], $5::smallint[], $6::bigint[], $7::text[], $8::text[], $9::text[])
  AS i (position, name, state, attempts, code, message, result)
ON CONFLICT (job, position) DO UPDATE SET
  state = excluded.state,
  attempts = excluded.attempts,
  error_code = excluded.error_code,
  error_message = excluded.error_message,
  result = excluded.result,
  updated_at = excluded.updated_at
