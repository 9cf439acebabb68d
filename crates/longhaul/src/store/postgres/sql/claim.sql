WITH worker AS MATERIALIZED (
  SELECT id FROM longhaul.workers
  WHERE name = $1 AND alive AND (lease_end IS NULL OR lease_end > coalesce($2::bigint, longhaul.now())) FOR KEY SHARE
), taken AS MATERIALIZED (
  SELECT r.seq, r.run_at, w.id AS worker FROM worker AS w
  CROSS JOIN unnest($3::integer[], $4::bigint[]) AS q (queue, slots)
  CROSS JOIN LATERAL (
    SELECT s.seq, s.run_at FROM unnest($5::integer[]) AS k (kind) CROSS JOIN LATERAL (
      SELECT l.seq, l.run_at, l.priority FROM longhaul.live AS l
      WHERE l.wait = 1 AND l.queue = q.queue AND l.kind = k.kind AND l.run_at <= $6
      ORDER BY l.priority DESC, l.seq LIMIT q.slots FOR UPDATE SKIP LOCKED
    ) AS s
    WHERE NOT EXISTS (SELECT FROM longhaul.pauses AS p WHERE p.queue = q.queue)
    ORDER BY s.priority DESC, s.seq LIMIT q.slots
  ) AS r
), claimed AS (
  UPDATE longhaul.live AS l SET
    wait = NULL, reason = NULL, run_at = NULL, worker = t.worker, since = $6, claim = l.claim + 1,
    started_at = coalesce(l.started_at, $6), deadline = coalesce(l.started_at, $6) + l.timeout, revision = l.revision + 1
  FROM taken AS t JOIN longhaul.jobs AS j ON j.seq = t.seq
  WHERE l.seq = t.seq
  RETURNING
    l.seq, j.id, l.owner, l.kind, l.priority, l.claim, j.max_attempts, j.attempt_timeout, j.timeout, j.created_at,
    j.unique_key, l.revision, j.args_version, j.args, j.labels, l.attempts, l.rescues, l.started_at, l.items,
    l.items_completed, l.items_failed, l.error_code, l.error_message, t.run_at, l.queue
), counts AS (
  INSERT INTO longhaul.counts AS c (owner, kind, queue, state, shard, n)
  SELECT d.owner, d.kind, d.queue, s.state, $7, s.sign * count(*)
  FROM claimed AS d CROSS JOIN (VALUES (0::smallint, -1), (1::smallint, 1)) AS s (state, sign)
  GROUP BY d.owner, d.kind, d.queue, s.state, s.sign ORDER BY d.owner, d.kind, d.queue, s.state
  ON CONFLICT (owner, kind, queue, state, shard) DO UPDATE SET n = c.n + excluded.n
)
SELECT * FROM claimed
