-- Every table begins with longhaul_, as the file may be the application's own. Nothing here needs more than
-- SQLite 3.38, so that any driver can open the file and insert into longhaul_submit.
-- Times are milliseconds since the Unix epoch, spans are milliseconds, 0 is false.

-- Settings that the submit trigger must know; written by the owner of the file when it opens it.
CREATE TABLE longhaul_settings (
  name TEXT PRIMARY KEY,
  value INTEGER NOT NULL
) STRICT, WITHOUT ROWID;
INSERT INTO longhaul_settings (name, value) VALUES ('args_limit', 1048576), ('queue_depth', 20000000);

-- Owners, kinds and queues: the hot rows carry numbers.
CREATE TABLE longhaul_names (
  id INTEGER PRIMARY KEY,
  name TEXT NOT NULL UNIQUE
) STRICT;

-- The next job's seq is at least this: a number is never used twice, as a claim names its job by it. Written only when
-- rows go: while the newest row is there, its own number says as much.
CREATE TABLE longhaul_sequence (
  one INTEGER PRIMARY KEY CHECK (one = 1),
  next INTEGER NOT NULL
) STRICT;
INSERT INTO longhaul_sequence (one, next) VALUES (1, 1);

-- Kinds that a worker declared, with what a submission leaves out.
CREATE TABLE longhaul_kinds (
  kind INTEGER PRIMARY KEY,
  version INTEGER NOT NULL CHECK (version >= 0),
  sweep_after INTEGER NOT NULL CHECK (sweep_after >= 0),
  queue INTEGER NOT NULL,
  max_attempts INTEGER NOT NULL CHECK (max_attempts >= 1),
  attempt_timeout INTEGER,
  timeout INTEGER
) STRICT;

-- Workers. A row outlives its worker until its jobs are rescued.
CREATE TABLE longhaul_workers (
  id INTEGER PRIMARY KEY AUTOINCREMENT,
  name TEXT NOT NULL,
  alive INTEGER NOT NULL DEFAULT 1 CHECK (alive IN (0, 1)),
  lease INTEGER,
  lease_end INTEGER,
  CHECK ((lease IS NULL) = (lease_end IS NULL))
) STRICT;
CREATE UNIQUE INDEX longhaul_workers_name ON longhaul_workers (name) WHERE alive = 1;

-- The hot rows.
--   state   0 pending, 1 running, 2 completed, 3 failed, 4 cancelled
--   wait    of a pending one: 1 ready for a slot, 2 until run_at, 3 held, 4 parked with its worker between two checks
--   reason  of a pending one: 0 new, 1 held, 2 scheduled, 3 retry, 4 check, 5 released, 6 rescued
CREATE TABLE longhaul_jobs (
  seq INTEGER PRIMARY KEY,
  id TEXT NOT NULL CHECK (length(id) BETWEEN 1 AND 128),
  owner INTEGER NOT NULL,
  kind INTEGER NOT NULL,
  queue INTEGER NOT NULL,
  priority INTEGER NOT NULL DEFAULT 0,
  state INTEGER NOT NULL DEFAULT 0,
  wait INTEGER,
  reason INTEGER CHECK (reason BETWEEN 0 AND 6),
  run_at INTEGER,
  worker INTEGER,
  since INTEGER,
  claim INTEGER NOT NULL DEFAULT 0,
  revision INTEGER NOT NULL DEFAULT 1,
  created_at INTEGER NOT NULL,
  started_at INTEGER,
  deadline INTEGER,
  cancel_requested INTEGER,
  ended_at INTEGER,
  sweep_at INTEGER,
  attempts INTEGER NOT NULL DEFAULT 0,
  max_attempts INTEGER NOT NULL,
  attempt_timeout INTEGER,
  timeout INTEGER,
  rescues INTEGER NOT NULL DEFAULT 0,
  check_every INTEGER,
  items INTEGER NOT NULL DEFAULT 0,
  items_completed INTEGER NOT NULL DEFAULT 0,
  items_failed INTEGER NOT NULL DEFAULT 0,
  lines INTEGER NOT NULL DEFAULT 0,
  unique_key TEXT,
  error_code TEXT,
  error_message TEXT,
  -- One line for each way a job stands, the busiest first: this is evaluated at every change of a row.
  CHECK (
    (wait IS 1 AND state = 0 AND reason IS NOT NULL AND run_at IS NOT NULL AND worker IS NULL AND ended_at IS NULL)
    OR (state IS 1 AND wait IS NULL AND reason IS NULL AND run_at IS NULL AND worker IS NOT NULL AND ended_at IS NULL
      AND started_at IS NOT NULL AND claim > 0)
    OR (state IS 2 AND wait IS NULL AND reason IS NULL AND run_at IS NULL AND worker IS NULL AND ended_at IS NOT NULL)
    OR (wait IS 4 AND state = 0 AND reason IS 4 AND run_at IS NOT NULL AND worker IS NOT NULL AND ended_at IS NULL)
    OR (wait IS 2 AND state = 0 AND reason IS NOT NULL AND run_at IS NOT NULL AND worker IS NULL AND ended_at IS NULL)
    OR (wait IS 3 AND state = 0 AND reason IS 1 AND run_at IS NULL AND worker IS NULL AND ended_at IS NULL)
    OR (state IN (3, 4) AND wait IS NULL AND reason IS NULL AND run_at IS NULL AND worker IS NULL
      AND ended_at IS NOT NULL AND (state = 4 OR error_code IS NOT NULL))
  ),
  CHECK (cancel_requested IS NULL OR state = 1),
  CHECK (sweep_at IS NULL OR ended_at IS NOT NULL),
  CHECK (worker IS NULL OR since IS NOT NULL),
  CHECK (deadline IS NULL OR (started_at IS NOT NULL AND timeout IS NOT NULL)),
  CHECK (timeout IS NULL OR started_at IS NULL OR deadline IS NOT NULL),
  CHECK (error_code IS NULL OR error_message IS NOT NULL),
  CHECK (items_completed >= 0 AND items_failed >= 0 AND items_completed + items_failed <= items)
) STRICT;
CREATE UNIQUE INDEX longhaul_jobs_id ON longhaul_jobs (id, owner);
CREATE UNIQUE INDEX longhaul_jobs_unique ON longhaul_jobs (owner, kind, unique_key)
  WHERE unique_key IS NOT NULL AND ended_at IS NULL;
-- Claims.
CREATE INDEX longhaul_jobs_ready ON longhaul_jobs (queue, kind, priority DESC) WHERE wait = 1;
CREATE INDEX longhaul_jobs_waiting ON longhaul_jobs (run_at) WHERE wait = 2;
CREATE INDEX longhaul_jobs_deadline ON longhaul_jobs (wait, deadline) WHERE deadline IS NOT NULL AND wait IS NOT NULL;
CREATE INDEX longhaul_jobs_worker ON longhaul_jobs (state, worker) WHERE worker IS NOT NULL;
-- Lists, each in the order of submission. Ready jobs are found by what claims them, running ones by their workers.
CREATE INDEX longhaul_jobs_waits ON longhaul_jobs (kind, owner) WHERE wait > 1;
CREATE INDEX longhaul_jobs_ended ON longhaul_jobs (kind, owner, state) WHERE ended_at IS NOT NULL;
-- The sweeper.
CREATE INDEX longhaul_jobs_sweep ON longhaul_jobs (sweep_at) WHERE sweep_at IS NOT NULL;

-- What of a job is written once.
CREATE TABLE longhaul_args (
  job INTEGER PRIMARY KEY,
  version INTEGER NOT NULL,
  args TEXT NOT NULL,
  labels TEXT
) STRICT;

CREATE TABLE longhaul_labels (
  name TEXT NOT NULL,
  value TEXT NOT NULL,
  job INTEGER NOT NULL,
  PRIMARY KEY (name, value, job)
) STRICT, WITHOUT ROWID;

CREATE TABLE longhaul_results (
  job INTEGER PRIMARY KEY,
  result TEXT NOT NULL
) STRICT;

CREATE TABLE longhaul_checkpoints (
  job INTEGER PRIMARY KEY,
  checkpoint TEXT NOT NULL
) STRICT;

CREATE TABLE longhaul_progress (
  job INTEGER PRIMARY KEY,
  progress TEXT NOT NULL
) STRICT;

-- state: 0 pending, 1 running, 2 completed, 3 failed
CREATE TABLE longhaul_items (
  job INTEGER NOT NULL,
  position INTEGER NOT NULL,
  name TEXT NOT NULL,
  state INTEGER NOT NULL CHECK (state BETWEEN 0 AND 3),
  attempts INTEGER NOT NULL,
  error_code TEXT,
  error_message TEXT,
  result TEXT,
  updated_at INTEGER NOT NULL,
  PRIMARY KEY (job, position),
  CHECK ((error_code IS NULL) = (error_message IS NULL))
) STRICT, WITHOUT ROWID;
CREATE UNIQUE INDEX longhaul_items_name ON longhaul_items (job, name);
CREATE INDEX longhaul_items_state ON longhaul_items (job, state, position);

-- level: 0 debug, 1 info, 2 warn, 3 error
CREATE TABLE longhaul_logs (
  job INTEGER NOT NULL,
  number INTEGER NOT NULL CHECK (number >= 1),
  time INTEGER NOT NULL,
  level INTEGER NOT NULL CHECK (level BETWEEN 0 AND 3),
  text TEXT NOT NULL,
  PRIMARY KEY (job, number)
) STRICT, WITHOUT ROWID;

CREATE TABLE longhaul_artifacts (
  job INTEGER NOT NULL,
  name TEXT NOT NULL,
  size INTEGER NOT NULL CHECK (size >= 0),
  sha256 TEXT NOT NULL,
  content_type TEXT NOT NULL,
  location TEXT NOT NULL,
  created_at INTEGER NOT NULL,
  PRIMARY KEY (job, name)
) STRICT, WITHOUT ROWID;
CREATE INDEX longhaul_artifacts_location ON longhaul_artifacts (location);

-- Attempts that did not complete their job. outcome: 0 failed, 1 cancelled, 2 released, 3 rescued
CREATE TABLE longhaul_attempts (
  job INTEGER NOT NULL,
  claim INTEGER NOT NULL,
  worker TEXT NOT NULL,
  started_at INTEGER NOT NULL,
  ended_at INTEGER NOT NULL,
  outcome INTEGER NOT NULL CHECK (outcome BETWEEN 0 AND 3),
  error_code TEXT,
  error_message TEXT,
  PRIMARY KEY (job, claim),
  CHECK ((error_code IS NULL) = (error_message IS NULL))
) STRICT, WITHOUT ROWID;

-- Idempotency keys.
CREATE TABLE longhaul_keys (
  owner INTEGER NOT NULL,
  key TEXT NOT NULL,
  job INTEGER NOT NULL,
  id TEXT NOT NULL,
  expires_at INTEGER NOT NULL,
  PRIMARY KEY (owner, key)
) STRICT, WITHOUT ROWID;
CREATE INDEX longhaul_keys_expiry ON longhaul_keys (expires_at);

-- Exact counts of jobs.
CREATE TABLE longhaul_counts (
  owner INTEGER NOT NULL,
  kind INTEGER NOT NULL,
  queue INTEGER NOT NULL,
  state INTEGER NOT NULL CHECK (state BETWEEN 0 AND 4),
  n INTEGER NOT NULL CHECK (n >= 0),
  PRIMARY KEY (owner, kind, queue, state)
) STRICT, WITHOUT ROWID;
