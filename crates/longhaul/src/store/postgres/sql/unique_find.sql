SELECT l.seq, j.id FROM longhaul.live AS l JOIN longhaul.jobs AS j ON j.seq = l.seq
WHERE l.owner = $1 AND l.kind = $2 AND l.unique_key = $3 AND l.unique_key IS NOT NULL
