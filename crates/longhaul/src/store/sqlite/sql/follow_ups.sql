SELECT follow_up FROM longhaul_follow_ups WHERE job = ?1 ORDER BY position
