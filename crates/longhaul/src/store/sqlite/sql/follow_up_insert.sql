INSERT INTO longhaul_follow_ups (job, position, follow_up) VALUES (?1, ?2, ?3)
