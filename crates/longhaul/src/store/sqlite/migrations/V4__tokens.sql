-- Who may come in over TCP. Of a token's secret only the SHA-256 is kept.
--   scopes  a sum: 1 read, 2 submit, 4 work, 8 admin
--   kinds, queues  JSON lists of names, with * at the end for what follows; an empty one is for all
CREATE TABLE longhaul_tokens (
  number INTEGER PRIMARY KEY,
  id TEXT NOT NULL UNIQUE CHECK (length(id) BETWEEN 1 AND 64),
  name TEXT NOT NULL,
  owner TEXT NOT NULL,
  hash BLOB NOT NULL UNIQUE CHECK (length(hash) = 32),
  scopes INTEGER NOT NULL CHECK (scopes BETWEEN 1 AND 15),
  kinds TEXT NOT NULL CHECK (json_valid(kinds)),
  queues TEXT NOT NULL CHECK (json_valid(queues)),
  created_at INTEGER NOT NULL,
  expires_at INTEGER,
  used_at INTEGER
) STRICT;
