SELECT bytes FROM longhaul_disk WHERE owner = ?1
