WITH gone (job) AS (SELECT unnest($1::bigint[])),
  ended AS (DELETE FROM longhaul.ended USING gone WHERE seq = gone.job),
  labels AS (
    DELETE FROM longhaul.labels AS l USING unnest($2::text[], $3::text[], $4::bigint[]) AS x (name, value, job)
    WHERE l.name = x.name AND l.value = x.value AND l.job = x.job
  ),
  results AS (DELETE FROM longhaul.results AS r USING gone WHERE r.job = gone.job),
  checkpoints AS (DELETE FROM longhaul.checkpoints AS c USING gone WHERE c.job = gone.job),
  progress AS (DELETE FROM longhaul.progress AS p USING gone WHERE p.job = gone.job),
  items AS (DELETE FROM longhaul.items AS i USING gone WHERE i.job = gone.job),
  logs AS (DELETE FROM longhaul.logs AS l USING gone WHERE l.job = gone.job),
  attempts AS (DELETE FROM longhaul.attempts AS a USING gone WHERE a.job = gone.job),
  follow_ups AS (DELETE FROM longhaul.follow_ups AS f USING gone WHERE f.job = gone.job),
  jobs AS (DELETE FROM longhaul.jobs AS j USING gone WHERE j.seq = gone.job)
DELETE FROM longhaul.artifacts AS a USING gone WHERE a.job = gone.job RETURNING a.location, a.size, a.job
