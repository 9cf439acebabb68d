-- How many jobs follow each end of this one: said in the hot row, so that an end looks for them only where there are any.
-- No CHECK, which would be evaluated at every insert; and the rows that are there would be read through to test it.
ALTER TABLE longhaul_jobs ADD COLUMN follow_ups INTEGER NOT NULL DEFAULT 0;

-- Jobs to insert in the commit that ends another, as JSON. They stay: a job that is retried ends again.
CREATE TABLE longhaul_follow_ups (
  job INTEGER NOT NULL,
  position INTEGER NOT NULL CHECK (position >= 0),
  follow_up TEXT NOT NULL,
  PRIMARY KEY (job, position)
) STRICT, WITHOUT ROWID;
