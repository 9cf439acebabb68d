UPDATE longhaul_sequence SET next = ?1 + 1 WHERE one = 1 AND next <= ?1
