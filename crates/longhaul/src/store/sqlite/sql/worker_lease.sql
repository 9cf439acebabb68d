UPDATE longhaul_workers SET lease = ?2, lease_end = ?3 WHERE id = ?1
