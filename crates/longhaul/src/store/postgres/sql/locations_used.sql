SELECT DISTINCT location FROM longhaul.artifacts WHERE location = ANY($1::text[])
