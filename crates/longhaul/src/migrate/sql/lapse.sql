UPDATE longhaul_workers SET lease = NULL, lease_end = NULL
