SELECT k.kind, n.name, k.version, k.retention, q.name, k.max_attempts, k.attempt_timeout, k.timeout
FROM longhaul_kinds AS k
JOIN longhaul_names AS n ON n.id = k.kind
JOIN longhaul_names AS q ON q.id = k.queue
ORDER BY n.name
