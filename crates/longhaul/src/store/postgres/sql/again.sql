INSERT INTO longhaul.live (
  seq, owner, kind, queue, priority, wait, reason, follow_ups, run_at, claim, revision, timeout, items, items_completed, lines,
  unique_key
)
VALUES ($1, $2, $3, $4, $5, 1, 3, $6, $7, $8, $9, $10, $11, $12, $13, $14)
ON CONFLICT DO NOTHING
