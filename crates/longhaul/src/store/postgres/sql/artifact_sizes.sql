SELECT name, size FROM longhaul.artifacts WHERE job = $1 AND name = ANY($2::text[])
