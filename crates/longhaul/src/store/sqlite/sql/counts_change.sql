UPDATE longhaul_counts SET n = n + ?5 WHERE owner = ?1 AND kind = ?2 AND queue = ?3 AND state = ?4
