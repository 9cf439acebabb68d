UPDATE longhaul.workers SET alive = false WHERE id IN (
  SELECT id FROM longhaul.workers WHERE alive AND lease_end <= coalesce($1::bigint, longhaul.now()) ORDER BY id
  FOR NO KEY UPDATE SKIP LOCKED
)
