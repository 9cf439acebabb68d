UPDATE longhaul_workers SET lease_end = ?2 + lease WHERE id = ?1 AND lease IS NOT NULL
