-- Submission by any client, in its own transaction:
--   SELECT longhaul.submit('system.verb', '{"json": true}')
-- Answers with the job's id. All but the kind may be left out; a living job with the same unique_key stands for the new one.
-- Whoever may use the schema may submit: GRANT USAGE ON SCHEMA longhaul TO app.

-- Limits that servers were last started with.
CREATE TABLE longhaul.settings (name text PRIMARY KEY, value bigint NOT NULL);

-- A text of outside as longhaul keeps it: U+0001 escapes, as U+0000 has no place of its own.
CREATE FUNCTION longhaul.kept(text) RETURNS text LANGUAGE sql IMMUTABLE STRICT PARALLEL SAFE
RETURN replace($1, chr(1), chr(1) || '1');

-- The number of a name; made when new.
CREATE FUNCTION longhaul.intern(name text) RETURNS integer LANGUAGE plpgsql STRICT AS $$
DECLARE
  number integer;
BEGIN
  LOOP
    SELECT n.id INTO number FROM longhaul.names AS n WHERE n.name = intern.name;
    IF FOUND THEN
      RETURN number;
    END IF;
    INSERT INTO longhaul.names (name) VALUES (intern.name) ON CONFLICT DO NOTHING;
  END LOOP;
END $$;

-- A span of time in milliseconds.
CREATE FUNCTION longhaul.millis(what text, span interval) RETURNS bigint LANGUAGE plpgsql IMMUTABLE AS $$
DECLARE
  millis numeric := extract(epoch FROM span) * 1000;
BEGIN
  IF millis < 0 OR millis > 253402300799999 THEN
    RAISE EXCEPTION 'longhaul: % is less than nothing, or too long', what USING ERRCODE = 'LH004';
  END IF;
  RETURN floor(millis);
END $$;

-- Counts of such submissions, which are added to the others later.
CREATE INDEX counts_own ON longhaul.counts (shard) WHERE shard >= 1000;

CREATE FUNCTION longhaul.submit(
  kind text, args json DEFAULT '{}', id text DEFAULT NULL, owner text DEFAULT '', queue text DEFAULT NULL,
  priority integer DEFAULT 0, labels jsonb DEFAULT '{}', run_at timestamptz DEFAULT NULL, held boolean DEFAULT false,
  unique_key text DEFAULT NULL, max_attempts integer DEFAULT NULL, attempt_timeout interval DEFAULT NULL,
  timeout interval DEFAULT NULL, args_version integer DEFAULT NULL
) RETURNS text LANGUAGE plpgsql SECURITY DEFINER SET search_path = pg_catalog, pg_temp AS $$
#variable_conflict use_column
DECLARE
  k longhaul.kinds;
  new_id text := coalesce(submit.id, gen_random_uuid()::text);
  owner_of integer;
  queue_of integer;
  number bigint;
  now_at bigint := longhaul.now();
  due_at bigint;
  waits smallint;
  why smallint;
  twin text;
  limit_of bigint;
BEGIN
  SELECT d.* INTO k FROM longhaul.kinds AS d JOIN longhaul.names AS n ON n.id = d.kind
  WHERE n.name = longhaul.kept(submit.kind);
  IF NOT FOUND THEN
    RAISE EXCEPTION 'longhaul: no worker has ever declared the kind %', coalesce(quote_literal(submit.kind), 'null')
      USING ERRCODE = 'LH001';
  END IF;
  SELECT s.value INTO limit_of FROM longhaul.settings AS s WHERE s.name = 'args_limit';
  IF submit.args IS NULL OR octet_length(submit.args::text) > limit_of THEN
    RAISE EXCEPTION 'longhaul: the args are missing, or larger than % bytes', limit_of USING ERRCODE = 'LH004';
  END IF;
  IF new_id !~ '^[-A-Za-z0-9_.:@~+=]{1,128}$' OR new_id IN ('.', '..') THEN
    RAISE EXCEPTION 'longhaul: the id is not 1 to 128 letters, digits or - _ . : @ ~ + =' USING ERRCODE = 'LH004';
  END IF;
  IF submit.owner IS NULL OR greatest(
    octet_length(submit.owner), octet_length(submit.queue), octet_length(submit.unique_key)
  ) > 256 OR submit.queue = '' THEN
    RAISE EXCEPTION 'longhaul: owner, queue and unique_key are texts of at most 256 bytes' USING ERRCODE = 'LH004';
  END IF;
  IF submit.priority IS NULL OR submit.priority NOT BETWEEN -32768 AND 32767 THEN
    RAISE EXCEPTION 'longhaul: priority is an integer from -32768 to 32767' USING ERRCODE = 'LH004';
  END IF;
  IF submit.max_attempts < 1 OR submit.args_version < 0 THEN
    RAISE EXCEPTION 'longhaul: max_attempts is at least 1, args_version at least 0' USING ERRCODE = 'LH004';
  END IF;
  IF submit.labels IS NULL OR jsonb_typeof(submit.labels) <> 'object' THEN
    RAISE EXCEPTION 'longhaul: the labels are no JSON object' USING ERRCODE = 'LH004';
  END IF;
  IF (SELECT count(*) > 32 OR bool_or(jsonb_typeof(l.value) <> 'string')
      OR max(greatest(octet_length(l.key), octet_length(l.value #>> '{}'))) > 256
    FROM jsonb_each(submit.labels) AS l) THEN
    RAISE EXCEPTION 'longhaul: the labels are not at most 32 short texts' USING ERRCODE = 'LH004';
  END IF;
  IF submit.held THEN
    waits := 3;
    why := 1;
  ELSE
    due_at := greatest(longhaul.millis('run_at', submit.run_at - 'epoch'::timestamptz), now_at);
    waits := CASE WHEN due_at > now_at THEN 2 ELSE 1 END;
    why := CASE WHEN due_at > now_at THEN 2 ELSE 0 END;
  END IF;
  owner_of := longhaul.intern(longhaul.kept(submit.owner));
  queue_of := coalesce(longhaul.intern(longhaul.kept(submit.queue)), k.queue);
  LOOP
    IF submit.unique_key IS NOT NULL THEN
      SELECT j.id INTO twin FROM longhaul.live AS l JOIN longhaul.jobs AS j ON j.seq = l.seq
      WHERE l.owner = owner_of AND l.kind = k.kind AND l.unique_key = longhaul.kept(submit.unique_key);
      IF FOUND THEN
        RETURN twin;
      END IF;
    END IF;
    number := nextval('longhaul.job_seq');
    INSERT INTO longhaul.live (
      seq, owner, kind, queue, priority, follow_ups, wait, reason, run_at, timeout, unique_key
    ) VALUES (
      number, owner_of, k.kind, queue_of, submit.priority, 0, waits, why, due_at,
      coalesce(longhaul.millis('timeout', submit.timeout), k.timeout), longhaul.kept(submit.unique_key)
    ) ON CONFLICT DO NOTHING;
    -- Another has inserted a living job under the unique key since it was looked for.
    EXIT WHEN FOUND;
  END LOOP;
  SELECT s.value INTO limit_of FROM longhaul.settings AS s WHERE s.name = 'queue_depth';
  IF (SELECT sum(c.n) FROM longhaul.counts AS c WHERE c.state = 0 AND c.queue = queue_of) >= limit_of THEN
    RAISE EXCEPTION 'longhaul: the queue holds % pending jobs, as many as it may', limit_of USING ERRCODE = 'LH002';
  END IF;
  INSERT INTO longhaul.jobs (
    seq, id, owner, kind, queue, priority, follow_ups, created_at, max_attempts, attempt_timeout, timeout, args_version,
    unique_key, labels, args
  ) VALUES (
    number, new_id, owner_of, k.kind, queue_of, submit.priority, 0, now_at, coalesce(submit.max_attempts, k.max_attempts),
    coalesce(longhaul.millis('attempt_timeout', submit.attempt_timeout), k.attempt_timeout),
    coalesce(longhaul.millis('timeout', submit.timeout), k.timeout), coalesce(submit.args_version, k.version),
    longhaul.kept(submit.unique_key), nullif(submit.labels::text, '{}'), submit.args::text
  ) ON CONFLICT (id, owner) DO NOTHING;
  IF NOT FOUND THEN
    RAISE EXCEPTION 'longhaul: a job with the id % exists already', quote_literal(new_id) USING ERRCODE = 'LH003';
  END IF;
  INSERT INTO longhaul.labels (name, value, job)
  SELECT longhaul.kept(l.key), longhaul.kept(l.value), number FROM jsonb_each_text(submit.labels) AS l;
  -- A row of its own for each connection, so that none waits for another's transaction to end.
  INSERT INTO longhaul.counts AS c (owner, kind, queue, state, shard, n)
  VALUES (owner_of, k.kind, queue_of, 0, 1000 + pg_backend_pid() % 30000, 1)
  ON CONFLICT (owner, kind, queue, state, shard) DO UPDATE SET n = c.n + 1;
  PERFORM pg_notify('longhaul_due', 'submit');
  RETURN new_id;
END $$;
