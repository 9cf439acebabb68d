SELECT id, name, owner, hash, scopes, kinds, queues, created_at, expires_at, used_at FROM longhaul.tokens ORDER BY number
