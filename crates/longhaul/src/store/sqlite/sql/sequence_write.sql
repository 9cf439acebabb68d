UPDATE longhaul_sequence SET next = ?1 WHERE one = 1
