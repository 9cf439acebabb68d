SELECT next FROM longhaul_sequence WHERE one = 1
