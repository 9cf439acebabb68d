-- Submission by any driver, in its own transaction:
--   INSERT INTO longhaul_submit (kind, args) VALUES ('system.verb', '{"json": true}')
-- All but kind and args may be left out. A living job with the same unique_key stands for the new one.
CREATE VIEW longhaul_submit AS
SELECT
  NULL AS kind, NULL AS args, NULL AS args_version, NULL AS id, NULL AS owner, NULL AS queue, NULL AS priority,
  NULL AS labels, NULL AS run_at, NULL AS held, NULL AS unique_key, NULL AS max_attempts, NULL AS attempt_timeout,
  NULL AS timeout
WHERE 0;

CREATE TRIGGER longhaul_submit_insert INSTEAD OF INSERT ON longhaul_submit
BEGIN
  SELECT RAISE(ABORT, 'longhaul: no worker has ever declared this kind')
  WHERE NOT EXISTS (
    SELECT 1 FROM longhaul_kinds AS k JOIN longhaul_names AS n ON n.id = k.kind WHERE n.name = NEW.kind
  );
  SELECT RAISE(ABORT, 'longhaul: the args are no JSON')
  WHERE NEW.args IS NULL OR typeof(NEW.args) <> 'text' OR NOT json_valid(NEW.args);
  SELECT RAISE(ABORT, 'longhaul: the args are larger than the limit')
  WHERE length(CAST(NEW.args AS BLOB)) > (SELECT value FROM longhaul_settings WHERE name = 'args_limit');
  SELECT RAISE(ABORT, 'longhaul: the id is not 1 to 128 letters, digits or - _ . : @ ~ + =')
  WHERE NEW.id IS NOT NULL AND (
    length(NEW.id) NOT BETWEEN 1 AND 128 OR NEW.id IN ('.', '..') OR NEW.id GLOB '*[^-A-Za-z0-9_.:@~+=]*'
  );
  SELECT RAISE(ABORT, 'longhaul: id, owner, queue and unique_key are texts')
  WHERE EXISTS (
    SELECT 1 FROM (
      SELECT NEW.id AS name UNION ALL SELECT NEW.owner UNION ALL SELECT NEW.queue UNION ALL SELECT NEW.unique_key
    ) WHERE typeof(name) NOT IN ('null', 'text')
  );
  -- What is past these could be stored but not read, and would stop every claim.
  SELECT RAISE(ABORT, 'longhaul: priority is an integer from -32768 to 32767')
  WHERE NEW.priority IS NOT NULL
    AND (typeof(NEW.priority) <> 'integer' OR NEW.priority NOT BETWEEN -32768 AND 32767);
  SELECT RAISE(ABORT, 'longhaul: max_attempts and args_version are integers from 0 to 4294967295')
  WHERE EXISTS (
    SELECT 1 FROM (SELECT NEW.max_attempts AS number UNION ALL SELECT NEW.args_version)
    WHERE number IS NOT NULL AND (typeof(number) <> 'integer' OR number NOT BETWEEN 0 AND 4294967295)
  );
  SELECT RAISE(ABORT, 'longhaul: run_at and the timeouts are integers of milliseconds, from 0')
  WHERE EXISTS (
    SELECT 1 FROM (SELECT NEW.run_at AS number UNION ALL SELECT NEW.attempt_timeout UNION ALL SELECT NEW.timeout)
    WHERE number IS NOT NULL AND (typeof(number) <> 'integer' OR number NOT BETWEEN 0 AND 253402300799999)
  );
  SELECT RAISE(ABORT, 'longhaul: a name has more than 256 bytes')
  WHERE max(
    length(CAST(coalesce(NEW.owner, '') AS BLOB)), length(CAST(coalesce(NEW.queue, '') AS BLOB)),
    length(CAST(coalesce(NEW.unique_key, '') AS BLOB))
  ) > 256;
  SELECT RAISE(ABORT, 'longhaul: the labels are no JSON object of at most 32 short texts')
  WHERE NEW.labels IS NOT NULL AND (
    NOT json_valid(NEW.labels) OR json_type(NEW.labels) <> 'object'
    OR (SELECT count(*) > 32 OR count(*) > count(DISTINCT key) FROM json_each(NEW.labels))
    OR EXISTS (
      SELECT 1 FROM json_each(NEW.labels)
      WHERE type <> 'text' OR max(length(CAST(key AS BLOB)), length(CAST(value AS BLOB))) > 256
    )
  );
  SELECT RAISE(ABORT, 'longhaul: the queue holds as many pending jobs as it may')
  WHERE (
    SELECT coalesce(sum(c.n), 0)
    FROM longhaul_counts AS c
    JOIN longhaul_names AS q ON q.id = c.queue
    WHERE c.state = 0 AND q.name = coalesce(NEW.queue, (
      SELECT d.name FROM longhaul_kinds AS k
      JOIN longhaul_names AS n ON n.id = k.kind
      JOIN longhaul_names AS d ON d.id = k.queue
      WHERE n.name = NEW.kind
    ))
  ) >= (SELECT value FROM longhaul_settings WHERE name = 'queue_depth');

  UPDATE longhaul_sequence SET next = max(next, coalesce((SELECT max(seq) FROM longhaul_jobs), 0) + 1) WHERE one = 1;
  INSERT INTO longhaul_names (name)
  SELECT coalesce(NEW.owner, '')
  WHERE NOT EXISTS (SELECT 1 FROM longhaul_names WHERE name = coalesce(NEW.owner, ''));
  INSERT INTO longhaul_names (name)
  SELECT NEW.queue
  WHERE NEW.queue IS NOT NULL AND NOT EXISTS (SELECT 1 FROM longhaul_names WHERE name = NEW.queue);

  INSERT INTO longhaul_jobs (
    seq, id, owner, kind, queue, priority, wait, reason, run_at, created_at, max_attempts, attempt_timeout, timeout,
    unique_key
  )
  SELECT
    s.next,
    coalesce(NEW.id, lower(
      hex(randomblob(4)) || '-' || hex(randomblob(2)) || '-4' || substr(hex(randomblob(2)), 2) || '-a'
      || substr(hex(randomblob(2)), 2) || '-' || hex(randomblob(6))
    )),
    o.id, k.kind, coalesce(q.id, k.queue), coalesce(NEW.priority, 0),
    CASE WHEN coalesce(NEW.held, 0) THEN 3 WHEN NEW.run_at > t.now THEN 2 ELSE 1 END,
    CASE WHEN coalesce(NEW.held, 0) THEN 1 WHEN NEW.run_at > t.now THEN 2 ELSE 0 END,
    CASE WHEN coalesce(NEW.held, 0) THEN NULL ELSE max(coalesce(NEW.run_at, t.now), t.now) END,
    t.now,
    max(coalesce(NEW.max_attempts, k.max_attempts), 1),
    coalesce(NEW.attempt_timeout, k.attempt_timeout), coalesce(NEW.timeout, k.timeout), NEW.unique_key
  FROM longhaul_sequence AS s
  JOIN (SELECT CAST((julianday('now') - 2440587.5) * 86400000 AS INTEGER) AS now) AS t
  JOIN longhaul_names AS n ON n.name = NEW.kind
  JOIN longhaul_kinds AS k ON k.kind = n.id
  JOIN longhaul_names AS o ON o.name = coalesce(NEW.owner, '')
  LEFT JOIN longhaul_names AS q ON q.name = NEW.queue
  WHERE NOT EXISTS (
    SELECT 1 FROM longhaul_jobs AS twin
    WHERE twin.owner = o.id AND twin.kind = k.kind AND twin.unique_key = NEW.unique_key AND twin.unique_key IS NOT NULL
      AND twin.ended_at IS NULL
  );

  -- Only of a job that was inserted just now.
  INSERT INTO longhaul_args (job, version, args, labels)
  SELECT j.seq, coalesce(NEW.args_version, k.version), NEW.args,
    CASE WHEN NEW.labels IS NULL OR NEW.labels = '{}' THEN NULL ELSE NEW.labels END
  FROM longhaul_sequence AS s JOIN longhaul_jobs AS j ON j.seq = s.next JOIN longhaul_kinds AS k ON k.kind = j.kind;
  INSERT INTO longhaul_labels (name, value, job)
  SELECT l.key, l.value, j.seq
  FROM longhaul_sequence AS s JOIN longhaul_jobs AS j ON j.seq = s.next JOIN json_each(coalesce(NEW.labels, '{}')) AS l;
  INSERT INTO longhaul_counts (owner, kind, queue, state, n)
  SELECT j.owner, j.kind, j.queue, 0, 1 FROM longhaul_sequence AS s JOIN longhaul_jobs AS j ON j.seq = s.next
  WHERE true
  ON CONFLICT (owner, kind, queue, state) DO UPDATE SET n = n + 1;
  UPDATE longhaul_sequence SET next = next + 1 WHERE EXISTS (SELECT 1 FROM longhaul_jobs WHERE seq = next);
END;
