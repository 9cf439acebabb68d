DELETE FROM longhaul.schedules WHERE name = $2 AND owner = (SELECT id FROM longhaul.names WHERE name = $1)
