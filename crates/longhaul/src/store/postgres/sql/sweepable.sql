SELECT e.seq, k.name, e.state, e.ended_at FROM longhaul.ended AS e JOIN longhaul.names AS k ON k.id = e.kind
WHERE e.sweep_at <= $1 ORDER BY e.sweep_at LIMIT $2
