INSERT INTO longhaul.schedules (owner, name, definition, paused, next_at, look_at, created_at, updated_at)
VALUES ($1, $2, $3, $4, $5, $5, $6, $6)
ON CONFLICT (name, owner) DO NOTHING
