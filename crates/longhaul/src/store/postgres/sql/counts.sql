SELECT k.name, q.name, c.state, c.n FROM (
  SELECT kind, queue, state, sum(n)::bigint AS n FROM longhaul.counts
  WHERE $1::text IS NULL OR owner = (SELECT id FROM longhaul.names WHERE name = $1)
  GROUP BY kind, queue, state
) AS c
JOIN longhaul.names AS k ON k.id = c.kind
JOIN longhaul.names AS q ON q.id = c.queue
WHERE c.n > 0
