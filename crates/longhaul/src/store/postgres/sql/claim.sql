WITH taken AS (
  SELECT r.seq, r.run_at FROM unnest($2::integer[]) AS k (kind) CROSS JOIN LATERAL (
    SELECT l.seq, l.run_at, l.priority FROM longhaul.live AS l
    WHERE l.wait = 1 AND l.queue = $1 AND l.kind = k.kind AND l.run_at <= $4
    ORDER BY l.priority DESC, l.seq LIMIT $3 FOR UPDATE SKIP LOCKED
  ) AS r
  WHERE NOT EXISTS (SELECT FROM longhaul.pauses AS p WHERE p.queue = $1)
  ORDER BY r.priority DESC, r.seq LIMIT $3
)
UPDATE longhaul.live AS l SET
  wait = NULL, reason = NULL, run_at = NULL, worker = $5, since = $4, claim = l.claim + 1,
  started_at = coalesce(l.started_at, $4), deadline = coalesce(l.started_at, $4) + l.timeout, revision = l.revision + 1
FROM taken AS t JOIN longhaul.jobs AS j ON j.seq = t.seq
WHERE l.seq = t.seq
RETURNING
  l.seq, j.id, l.owner, l.kind, l.priority, l.claim, j.max_attempts, j.attempt_timeout, j.timeout, j.created_at, j.unique_key,
  l.revision, j.args_version, j.args, j.labels, l.attempts, l.rescues, l.started_at, l.items, l.items_completed,
  l.items_failed, l.error_code, l.error_message, t.run_at
