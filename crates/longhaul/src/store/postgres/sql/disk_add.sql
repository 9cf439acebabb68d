INSERT INTO longhaul.disk AS d (owner, bytes) VALUES ($1, $2) ON CONFLICT (owner) DO UPDATE SET bytes = d.bytes + excluded.bytes
