UPDATE longhaul.workers SET lease_end = coalesce($2::bigint, longhaul.now()) + lease
WHERE name = $1 AND alive AND (lease_end IS NULL OR lease_end > coalesce($2::bigint, longhaul.now()))
RETURNING id
