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
)
SELECT seq, owner, kind, queue, revision + 1, lines FROM done
