UPDATE longhaul_workers SET lease_end = max(lease_end, ?1 + lease) WHERE alive = 1 AND lease IS NOT NULL
