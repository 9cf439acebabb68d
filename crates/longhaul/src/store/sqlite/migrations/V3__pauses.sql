-- Queues whose jobs no worker claims until somebody resumes them.
CREATE TABLE longhaul_pauses (
  queue INTEGER PRIMARY KEY,
  since INTEGER NOT NULL
) STRICT;
