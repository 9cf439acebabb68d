DELETE FROM longhaul.pauses WHERE queue = (SELECT id FROM longhaul.names WHERE name = $1)
