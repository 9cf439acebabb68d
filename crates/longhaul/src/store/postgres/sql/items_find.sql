SELECT name, position, state FROM longhaul.items WHERE job = $1 AND name = ANY($2::text[])
