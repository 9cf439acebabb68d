SELECT k.name, q.name, c.state, SUM(c.n)
FROM longhaul_counts AS c
JOIN longhaul_names AS k ON k.id = c.kind
JOIN longhaul_names AS q ON q.id = c.queue
WHERE c.n > 0
GROUP BY c.kind, c.queue, c.state
