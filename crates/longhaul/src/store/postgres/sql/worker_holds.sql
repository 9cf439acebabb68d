SELECT j.id FROM longhaul.live AS l JOIN longhaul.jobs AS j ON j.seq = l.seq
WHERE l.worker = $1 AND l.worker IS NOT NULL ORDER BY l.wait IS NOT NULL, l.seq LIMIT $2
