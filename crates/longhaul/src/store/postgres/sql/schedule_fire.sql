UPDATE longhaul.schedules
SET next_at = $4, look_at = $5, missed = missed + $6, error = $7, revision = revision + 1
WHERE name = $2 AND owner = (SELECT id FROM longhaul.names WHERE name = $1) AND revision = $3
