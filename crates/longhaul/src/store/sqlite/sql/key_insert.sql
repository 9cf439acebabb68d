INSERT INTO longhaul_keys (owner, key, job, id, expires_at) VALUES (?1, ?2, ?3, ?4, ?5)
ON CONFLICT (owner, key) DO UPDATE SET job = excluded.job, id = excluded.id, expires_at = excluded.expires_at
