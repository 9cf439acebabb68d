WITH gone AS (
  DELETE FROM longhaul.counts WHERE ctid IN (
    SELECT ctid FROM longhaul.counts WHERE shard >= 1000 LIMIT 1000 FOR UPDATE SKIP LOCKED
  ) RETURNING owner, kind, queue, state, n
)
INSERT INTO longhaul.counts AS c (owner, kind, queue, state, shard, n)
SELECT owner, kind, queue, state, 999, sum(n) FROM gone GROUP BY owner, kind, queue, state ORDER BY owner, kind, queue, state
ON CONFLICT (owner, kind, queue, state, shard) DO UPDATE SET n = c.n + excluded.n
