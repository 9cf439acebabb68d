SELECT 1 FROM longhaul_jobs AS j
JOIN longhaul_jobs AS twin INDEXED BY longhaul_jobs_unique
  ON twin.owner = j.owner AND twin.kind = j.kind AND twin.unique_key = j.unique_key
  AND twin.unique_key IS NOT NULL AND twin.ended_at IS NULL
WHERE j.seq = ?1 AND twin.seq <> j.seq
