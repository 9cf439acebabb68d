SELECT id, name, owner, hash, scopes, kinds, queues, created_at, expires_at, used_at FROM longhaul_tokens ORDER BY number
