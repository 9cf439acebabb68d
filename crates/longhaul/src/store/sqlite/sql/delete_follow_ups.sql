DELETE FROM longhaul_follow_ups WHERE job = ?1
