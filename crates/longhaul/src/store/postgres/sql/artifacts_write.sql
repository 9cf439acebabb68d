INSERT INTO longhaul.artifacts (job, name, size, sha256, content_type, location, created_at)
SELECT $1, * FROM unnest($2::text[], $3::bigint[], $4::text[], $5::text[], $6::text[], $7::bigint[])
ON CONFLICT (job, name) DO UPDATE SET
  size = excluded.size,
  sha256 = excluded.sha256,
  content_type = excluded.content_type,
  location = excluded.location,
  created_at = excluded.created_at
