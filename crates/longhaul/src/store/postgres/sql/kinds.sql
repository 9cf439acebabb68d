SELECT k.kind, n.name, k.version, k.retention, q.name, k.max_attempts, k.attempt_timeout, k.timeout
FROM longhaul.kinds AS k
JOIN longhaul.names AS n ON n.id = k.kind
JOIN longhaul.names AS q ON q.id = k.queue
ORDER BY n.name
