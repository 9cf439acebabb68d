UPDATE longhaul.schedules
SET definition = $4, paused = $5, next_at = $6, look_at = $6, error = NULL, updated_at = $7, revision = revision + 1
WHERE name = $2 AND owner = $1 AND revision = $3
