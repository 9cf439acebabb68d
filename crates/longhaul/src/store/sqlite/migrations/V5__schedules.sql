-- Schedules. What is searched for has columns; the rest is in the definition.
--   next_at  the next time; none while it is paused, and after its end
--   look_at  when the scheduler looks at that: later than next_at after its jobs could not be submitted
CREATE TABLE longhaul_schedules (
  id INTEGER PRIMARY KEY,
  owner INTEGER NOT NULL,
  name TEXT NOT NULL CHECK (length(CAST(name AS BLOB)) BETWEEN 1 AND 128),
  revision INTEGER NOT NULL DEFAULT 1,
  definition TEXT NOT NULL CHECK (json_valid(definition)),
  paused INTEGER NOT NULL CHECK (paused IN (0, 1)),
  next_at INTEGER,
  look_at INTEGER,
  last_at INTEGER,
  last_job TEXT,
  submitted INTEGER NOT NULL DEFAULT 0,
  missed INTEGER NOT NULL DEFAULT 0,
  skipped INTEGER NOT NULL DEFAULT 0,
  error TEXT,
  created_at INTEGER NOT NULL,
  updated_at INTEGER NOT NULL,
  CHECK ((next_at IS NULL) = (look_at IS NULL)),
  CHECK (look_at >= next_at),
  CHECK (paused = 0 OR next_at IS NULL),
  CHECK ((last_at IS NULL) = (last_job IS NULL))
) STRICT;
CREATE UNIQUE INDEX longhaul_schedules_name ON longhaul_schedules (name, owner);
CREATE INDEX longhaul_schedules_look ON longhaul_schedules (look_at) WHERE look_at IS NOT NULL;
