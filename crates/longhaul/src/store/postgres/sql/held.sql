SELECT l.seq FROM longhaul.workers AS w JOIN longhaul.live AS l ON l.worker = w.id AND l.worker IS NOT NULL
WHERE w.name = $1 AND w.alive ORDER BY l.seq
