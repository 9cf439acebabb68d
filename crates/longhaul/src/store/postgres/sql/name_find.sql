SELECT id FROM longhaul.names WHERE name = $1
