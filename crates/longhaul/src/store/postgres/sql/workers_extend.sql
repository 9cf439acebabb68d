UPDATE longhaul.workers SET lease_end = greatest(lease_end, coalesce($1::bigint, longhaul.now()) + lease)
WHERE alive AND lease IS NOT NULL
