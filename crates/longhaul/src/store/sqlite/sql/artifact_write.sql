INSERT INTO longhaul_artifacts (job, name, size, sha256, content_type, location, created_at)
VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7)
ON CONFLICT (job, name) DO UPDATE SET
  size = excluded.size,
  sha256 = excluded.sha256,
  content_type = excluded.content_type,
  location = excluded.location,
  created_at = excluded.created_at
