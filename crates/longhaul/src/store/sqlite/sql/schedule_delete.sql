DELETE FROM longhaul_schedules WHERE name = ?2 AND owner = ?1
