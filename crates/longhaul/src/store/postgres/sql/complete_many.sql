WITH done AS (
  DELETE FROM longhaul.live AS l USING unnest($1::bigint[], $2::bigint[], $3::bigint[]) AS w (seq, claim, now)
  WHERE l.seq = w.seq AND l.claim = w.claim AND l.wait IS NULL AND l.cancel_requested IS NULL AND l.items = 0
    AND l.follow_ups = 0
  RETURNING l.seq, l.owner, l.kind, l.queue, l.claim, l.revision, l.started_at, l.attempts, l.rescues, l.lines, w.now
), moved AS (
  INSERT INTO longhaul.ended (
    seq, owner, kind, queue, state, ended_at, sweep_at, claim, revision, started_at, attempts, rescues, items,
    items_completed, items_failed, lines
  )
  SELECT d.seq, d.owner, d.kind, d.queue, 2, d.now, d.now + coalesce(k.sweep_after, 604800000), d.claim, d.revision + 1,
    d.started_at, d.attempts, d.rescues, 0, 0, 0, d.lines
  FROM done AS d LEFT JOIN longhaul.kinds AS k ON k.kind = d.kind
), results AS (
  INSERT INTO longhaul.results AS r (job, result)
  SELECT d.seq, w.result FROM unnest($4::bigint[], $5::text[]) AS w (seq, result) JOIN done AS d ON d.seq = w.seq
  ON CONFLICT (job) DO UPDATE SET result = excluded.result
), counts AS (
  INSERT INTO longhaul.counts AS c (owner, kind, queue, state, shard, n)
  SELECT d.owner, d.kind, d.queue, s.state, $6, s.sign * count(*)
  FROM done AS d CROSS JOIN (VALUES (1::smallint, -1), (2::smallint, 1)) AS s (state, sign)
  GROUP BY d.owner, d.kind, d.queue, s.state, s.sign ORDER BY d.owner, d.kind, d.queue, s.state
  ON CONFLICT (owner, kind, queue, state, shard) DO UPDATE SET n = c.n + excluded.n
)
SELECT seq, revision + 1, lines FROM done
