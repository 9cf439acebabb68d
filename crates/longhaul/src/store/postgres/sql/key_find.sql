SELECT k.job, k.id FROM longhaul.keys AS k JOIN longhaul.jobs AS j ON j.seq = k.job
WHERE k.owner = $1 AND k.key = $2 AND k.expires_at > $3
