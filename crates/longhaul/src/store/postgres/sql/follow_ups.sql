SELECT follow_up FROM longhaul.follow_ups WHERE job = $1 ORDER BY position
