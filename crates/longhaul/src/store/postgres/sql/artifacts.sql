SELECT name, size, sha256, content_type, location, created_at FROM longhaul.artifacts WHERE job = $1 ORDER BY name
