SELECT k.name, f.error_code, f.n, f.newest FROM (
  SELECT kind, error_code, count(*) AS n, max(seq) AS newest FROM longhaul.ended
  WHERE state = 3 AND ($1::text IS NULL OR owner = (SELECT id FROM longhaul.names WHERE name = $1))
  GROUP BY kind, error_code ORDER BY kind, error_code LIMIT $2
) AS f JOIN longhaul.names AS k ON k.id = f.kind
