WITH new AS MATERIALIZED (
  SELECT nextval('longhaul.job_seq') AS seq, v.* FROM unnest(
    $1::text[], $2::integer[], $3::integer[], $4::integer[], $5::smallint[], $6::bigint[], $7::bigint[], $8::bigint[],
    $9::bigint[], $10::bigint[], $11::text[], $12::text[], $13::smallint[], $14::smallint[], $15::bigint[]
  ) WITH ORDINALITY AS v (
    id, owner, kind, queue, priority, created_at, max_attempts, attempt_timeout, timeout, args_version, labels, args, wait,
    reason, run_at, place
  )
), jobs AS (
  INSERT INTO longhaul.jobs (
    seq, id, owner, kind, queue, priority, follow_ups, created_at, max_attempts, attempt_timeout, timeout, args_version,
    labels, args
  )
  SELECT seq, id, owner, kind, queue, priority, 0, created_at, max_attempts, attempt_timeout, timeout, args_version, labels,
    args
  FROM new
), live AS (
  INSERT INTO longhaul.live (seq, owner, kind, queue, priority, follow_ups, wait, reason, run_at, timeout)
  SELECT seq, owner, kind, queue, priority, 0, wait, reason, run_at, timeout FROM new
), labels AS (
  INSERT INTO longhaul.labels (name, value, job)
  SELECT l.name, l.value, new.seq FROM unnest($16::text[], $17::text[], $18::bigint[]) AS l (name, value, place)
  JOIN new ON new.place = l.place
), counts AS (
  INSERT INTO longhaul.counts AS c (owner, kind, queue, state, shard, n)
  SELECT owner, kind, queue, 0, $19, count(*) FROM new GROUP BY owner, kind, queue ORDER BY owner, kind, queue
  ON CONFLICT (owner, kind, queue, state, shard) DO UPDATE SET n = c.n + excluded.n
)
SELECT seq FROM new ORDER BY place
