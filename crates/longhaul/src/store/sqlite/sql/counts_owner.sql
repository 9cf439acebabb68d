SELECT k.name, q.name, c.state, c.n
FROM longhaul_names AS o
CROSS JOIN longhaul_counts AS c ON c.owner = o.id
JOIN longhaul_names AS k ON k.id = c.kind
JOIN longhaul_names AS q ON q.id = c.queue
WHERE o.name = ?1 AND c.n > 0
