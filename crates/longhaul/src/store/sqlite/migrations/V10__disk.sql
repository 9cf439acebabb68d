-- Bytes of the files of each owner's jobs, kept with the rows of the files.
CREATE TABLE longhaul_disk (
  owner INTEGER PRIMARY KEY,
  bytes INTEGER NOT NULL CHECK (bytes >= 0)
) STRICT;
INSERT INTO longhaul_disk (owner, bytes)
SELECT j.owner, sum(a.size) FROM longhaul_artifacts AS a JOIN longhaul_jobs AS j ON j.seq = a.job GROUP BY j.owner;
