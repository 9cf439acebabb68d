-- Times are milliseconds since the Unix epoch, spans are milliseconds.
-- A job is a row of longhaul.jobs, which is written once, and of longhaul.live while it lives or of longhaul.ended when it has
-- ended. So what changes is narrow, is deleted at the end, and leaves the large tables without a dead row.

-- Owners, kinds and queues: the hot rows carry numbers.
CREATE TABLE longhaul.names (
  id integer PRIMARY KEY GENERATED ALWAYS AS IDENTITY,
  name text COLLATE "C" NOT NULL UNIQUE
);

CREATE SEQUENCE longhaul.job_seq;

-- Kinds that a worker declared, with what a submission leaves out. sweep_after is when the first part of the retention is over.
CREATE TABLE longhaul.kinds (
  kind integer PRIMARY KEY,
  version bigint NOT NULL CHECK (version >= 0),
  retention text NOT NULL,
  sweep_after bigint NOT NULL CHECK (sweep_after >= 0),
  queue integer NOT NULL,
  max_attempts bigint NOT NULL CHECK (max_attempts >= 1),
  attempt_timeout bigint,
  timeout bigint
);

-- Workers. A row outlives its worker until its jobs are rescued.
CREATE TABLE longhaul.workers (
  id bigint PRIMARY KEY GENERATED ALWAYS AS IDENTITY,
  name text COLLATE "C" NOT NULL,
  alive boolean NOT NULL DEFAULT true,
  lease bigint,
  lease_end bigint,
  about text,
  joined_at bigint NOT NULL,
  CHECK ((lease IS NULL) = (lease_end IS NULL))
);
CREATE UNIQUE INDEX workers_name ON longhaul.workers (name) WHERE alive;

-- What of a job is written once.
CREATE TABLE longhaul.jobs (
  seq bigint PRIMARY KEY,
  id text COLLATE "C" NOT NULL CHECK (length(id) BETWEEN 1 AND 128),
  owner integer NOT NULL,
  kind integer NOT NULL,
  queue integer NOT NULL,
  priority smallint NOT NULL,
  follow_ups integer NOT NULL,
  created_at bigint NOT NULL,
  max_attempts bigint NOT NULL,
  attempt_timeout bigint,
  timeout bigint,
  args_version bigint NOT NULL,
  unique_key text,
  labels text,
  args text NOT NULL
);
CREATE UNIQUE INDEX jobs_id ON longhaul.jobs (id, owner);

-- The hot rows: jobs that wait or run.
--   wait    none of a running one; 1 ready for a slot, 2 until run_at, 3 held, 4 parked with its worker between two checks
--   reason  of a waiting one: 0 new, 1 held, 2 scheduled, 3 retry, 4 check, 5 released, 6 rescued
CREATE TABLE longhaul.live (
  seq bigint PRIMARY KEY,
  owner integer NOT NULL,
  kind integer NOT NULL,
  queue integer NOT NULL,
  priority smallint NOT NULL,
  wait smallint CHECK (wait BETWEEN 1 AND 4),
  reason smallint CHECK (reason BETWEEN 0 AND 6),
  follow_ups integer NOT NULL,
  run_at bigint,
  worker bigint,
  since bigint,
  claim bigint NOT NULL DEFAULT 0,
  revision bigint NOT NULL DEFAULT 1,
  started_at bigint,
  timeout bigint,
  deadline bigint,
  cancel_requested bigint,
  check_every bigint,
  attempts bigint NOT NULL DEFAULT 0,
  rescues bigint NOT NULL DEFAULT 0,
  items bigint NOT NULL DEFAULT 0,
  items_completed bigint NOT NULL DEFAULT 0,
  items_failed bigint NOT NULL DEFAULT 0,
  lines bigint NOT NULL DEFAULT 0,
  unique_key text COLLATE "C",
  error_code text,
  error_message text,
  CHECK (
    CASE
      WHEN wait IS NULL THEN
        reason IS NULL AND run_at IS NULL AND worker IS NOT NULL AND started_at IS NOT NULL AND claim > 0
      WHEN wait = 3 THEN reason = 1 AND run_at IS NULL AND worker IS NULL
      WHEN wait = 4 THEN reason = 4 AND run_at IS NOT NULL AND worker IS NOT NULL
      ELSE reason IS NOT NULL AND run_at IS NOT NULL AND worker IS NULL
    END
  ),
  CHECK (cancel_requested IS NULL OR wait IS NULL),
  CHECK (worker IS NULL OR since IS NOT NULL),
  CHECK ((deadline IS NULL) = (timeout IS NULL OR started_at IS NULL)),
  CHECK (error_code IS NULL OR error_message IS NOT NULL),
  CHECK (items_completed >= 0 AND items_failed >= 0 AND items_completed + items_failed <= items)
) WITH (fillfactor = 70, autovacuum_vacuum_scale_factor = 0.02, autovacuum_vacuum_cost_delay = 0);
CREATE UNIQUE INDEX live_unique ON longhaul.live (owner, kind, unique_key) WHERE unique_key IS NOT NULL;
CREATE INDEX live_ready ON longhaul.live (queue, kind, priority DESC, seq) WHERE wait = 1;
CREATE INDEX live_waiting ON longhaul.live (run_at) WHERE wait = 2;
CREATE INDEX live_deadline ON longhaul.live (deadline) WHERE deadline IS NOT NULL AND wait IS NOT NULL;
CREATE INDEX live_worker ON longhaul.live (worker) WHERE worker IS NOT NULL;

-- Jobs that have ended. state: 2 completed, 3 failed, 4 cancelled
CREATE TABLE longhaul.ended (
  seq bigint PRIMARY KEY,
  owner integer NOT NULL,
  kind integer NOT NULL,
  queue integer NOT NULL,
  state smallint NOT NULL CHECK (state BETWEEN 2 AND 4),
  ended_at bigint NOT NULL,
  sweep_at bigint,
  claim bigint NOT NULL,
  revision bigint NOT NULL,
  started_at bigint,
  attempts bigint NOT NULL,
  rescues bigint NOT NULL,
  items bigint NOT NULL,
  items_completed bigint NOT NULL,
  items_failed bigint NOT NULL,
  lines bigint NOT NULL,
  error_code text COLLATE "C",
  error_message text,
  CHECK (state <> 3 OR error_code IS NOT NULL),
  CHECK (error_code IS NULL OR error_message IS NOT NULL)
);
CREATE INDEX ended_list ON longhaul.ended (kind, owner, state, seq);
CREATE INDEX ended_failed ON longhaul.ended (kind, error_code, owner, seq) WHERE state = 3;
CREATE INDEX ended_sweep ON longhaul.ended (sweep_at) WHERE sweep_at IS NOT NULL;

CREATE TABLE longhaul.labels (
  name text COLLATE "C" NOT NULL,
  value text COLLATE "C" NOT NULL,
  job bigint NOT NULL,
  PRIMARY KEY (name, value, job)
);

CREATE TABLE longhaul.results (job bigint PRIMARY KEY, result text NOT NULL);
CREATE TABLE longhaul.checkpoints (job bigint PRIMARY KEY, checkpoint text NOT NULL);
CREATE TABLE longhaul.progress (job bigint PRIMARY KEY, progress text NOT NULL) WITH (fillfactor = 50);

-- state: 0 pending, 1 running, 2 completed, 3 failed
CREATE TABLE longhaul.items (
  job bigint NOT NULL,
  position bigint NOT NULL,
  name text COLLATE "C" NOT NULL,
  state smallint NOT NULL CHECK (state BETWEEN 0 AND 3),
  attempts bigint NOT NULL,
  error_code text,
  error_message text,
  result text,
  updated_at bigint NOT NULL,
  PRIMARY KEY (job, position),
  CHECK ((error_code IS NULL) = (error_message IS NULL))
);
CREATE UNIQUE INDEX items_name ON longhaul.items (job, name);
CREATE INDEX items_state ON longhaul.items (job, state, position);

-- level: 0 debug, 1 info, 2 warn, 3 error
CREATE TABLE longhaul.logs (
  job bigint NOT NULL,
  number bigint NOT NULL CHECK (number >= 1),
  time bigint NOT NULL,
  level smallint NOT NULL CHECK (level BETWEEN 0 AND 3),
  text text NOT NULL,
  PRIMARY KEY (job, number)
);

CREATE TABLE longhaul.artifacts (
  job bigint NOT NULL,
  name text COLLATE "C" NOT NULL,
  size bigint NOT NULL CHECK (size >= 0),
  sha256 text NOT NULL,
  content_type text NOT NULL,
  location text COLLATE "C" NOT NULL,
  created_at bigint NOT NULL,
  PRIMARY KEY (job, name)
);
CREATE INDEX artifacts_location ON longhaul.artifacts (location);

-- Bytes of the files of each owner's jobs.
CREATE TABLE longhaul.disk (
  owner integer PRIMARY KEY,
  bytes bigint NOT NULL CHECK (bytes >= 0)
);

-- Attempts that did not complete their job. outcome: 0 failed, 1 cancelled, 2 released, 3 rescued
CREATE TABLE longhaul.attempts (
  job bigint NOT NULL,
  claim bigint NOT NULL,
  worker text NOT NULL,
  started_at bigint NOT NULL,
  ended_at bigint NOT NULL,
  outcome smallint NOT NULL CHECK (outcome BETWEEN 0 AND 3),
  error_code text,
  error_message text,
  PRIMARY KEY (job, claim),
  CHECK ((error_code IS NULL) = (error_message IS NULL))
);

-- Jobs to insert in the commit that ends another, as JSON. They stay: a job that is retried ends again.
CREATE TABLE longhaul.follow_ups (
  job bigint NOT NULL,
  position bigint NOT NULL CHECK (position >= 0),
  follow_up text NOT NULL,
  PRIMARY KEY (job, position)
);

-- Idempotency keys.
CREATE TABLE longhaul.keys (
  owner integer NOT NULL,
  key text COLLATE "C" NOT NULL,
  job bigint NOT NULL,
  id text NOT NULL,
  expires_at bigint NOT NULL,
  PRIMARY KEY (owner, key)
);
CREATE INDEX keys_expiry ON longhaul.keys (expires_at);

-- Exact counts of jobs: the sum over the shards, of which each connection that writes has its own, so that none waits for
-- another's commit. One shard alone may be below 0.
CREATE TABLE longhaul.counts (
  owner integer NOT NULL,
  kind integer NOT NULL,
  queue integer NOT NULL,
  state smallint NOT NULL CHECK (state BETWEEN 0 AND 4),
  shard smallint NOT NULL,
  n bigint NOT NULL,
  PRIMARY KEY (owner, kind, queue, state, shard)
) WITH (fillfactor = 50);

-- Queues whose jobs no worker claims until somebody resumes them.
CREATE TABLE longhaul.pauses (queue integer PRIMARY KEY, since bigint NOT NULL);

-- Who may come in over TCP. Of a token's secret only the SHA-256 is kept.
--   scopes  a sum: 1 read, 2 submit, 4 work, 8 admin
--   kinds, queues  JSON lists of names, with * at the end for what follows; an empty one is for all
CREATE TABLE longhaul.tokens (
  number bigint PRIMARY KEY GENERATED ALWAYS AS IDENTITY,
  id text NOT NULL UNIQUE CHECK (length(id) BETWEEN 1 AND 64),
  name text NOT NULL,
  owner text NOT NULL,
  hash bytea NOT NULL UNIQUE CHECK (length(hash) = 32),
  scopes smallint NOT NULL CHECK (scopes BETWEEN 1 AND 15),
  kinds text NOT NULL,
  queues text NOT NULL,
  created_at bigint NOT NULL,
  expires_at bigint,
  used_at bigint
);

-- Schedules. What is searched for has columns; the rest is in the definition.
--   next_at  the next time; none while it is paused, and after its end
--   look_at  when the scheduler looks at that: later than next_at after its jobs could not be submitted
CREATE TABLE longhaul.schedules (
  id bigint PRIMARY KEY GENERATED ALWAYS AS IDENTITY,
  owner integer NOT NULL,
  name text COLLATE "C" NOT NULL CHECK (octet_length(name) BETWEEN 1 AND 256),
  revision bigint NOT NULL DEFAULT 1,
  definition text NOT NULL,
  paused boolean NOT NULL,
  next_at bigint,
  look_at bigint,
  last_at bigint,
  last_job text,
  submitted bigint NOT NULL DEFAULT 0,
  missed bigint NOT NULL DEFAULT 0,
  skipped bigint NOT NULL DEFAULT 0,
  error text,
  created_at bigint NOT NULL,
  updated_at bigint NOT NULL,
  CHECK ((next_at IS NULL) = (look_at IS NULL)),
  CHECK (look_at >= next_at),
  CHECK (NOT paused OR next_at IS NULL),
  CHECK ((last_at IS NULL) = (last_job IS NULL))
);
CREATE UNIQUE INDEX schedules_name ON longhaul.schedules (name, owner);
CREATE INDEX schedules_look ON longhaul.schedules (look_at) WHERE look_at IS NOT NULL;

-- What sets and compares the ends of leases.
CREATE FUNCTION longhaul.now() RETURNS bigint LANGUAGE sql VOLATILE
RETURN floor(extract(epoch FROM clock_timestamp()) * 1000)::bigint;
