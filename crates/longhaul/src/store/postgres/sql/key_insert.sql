INSERT INTO longhaul.keys AS k (owner, key, job, id, expires_at) VALUES ($1, $2, $3, $4, $5)
ON CONFLICT (owner, key) DO UPDATE SET job = excluded.job, id = excluded.id, expires_at = excluded.expires_at
WHERE k.expires_at <= $6 OR NOT EXISTS (SELECT FROM longhaul.jobs AS j WHERE j.seq = k.job)
