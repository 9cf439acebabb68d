SELECT id, lease, lease_end FROM longhaul_workers WHERE name = ?1 AND alive = 1
