INSERT INTO longhaul.ended (
  seq, owner, kind, queue, state, ended_at, sweep_at, claim, revision, started_at, attempts, rescues, items, items_completed,
  items_failed, lines, error_code, error_message
)
SELECT $1, $2, $3::integer, $4, $5, $6::bigint, $6::bigint + coalesce(
  (SELECT k.sweep_after FROM longhaul.kinds AS k WHERE k.kind = $3::integer), 604800000
), $7, $8, $9, $10, $11, $12, $13, $14, $15, $16, $17
