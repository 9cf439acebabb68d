INSERT INTO longhaul.tokens (id, name, owner, hash, scopes, kinds, queues, created_at, expires_at, used_at)
VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10) ON CONFLICT DO NOTHING
