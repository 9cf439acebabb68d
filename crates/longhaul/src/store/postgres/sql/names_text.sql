SELECT id, name FROM longhaul.names WHERE id = ANY($1::integer[])
