UPDATE longhaul.workers SET lease = $2, lease_end = coalesce($3::bigint, longhaul.now()) + $2 WHERE id = $1
