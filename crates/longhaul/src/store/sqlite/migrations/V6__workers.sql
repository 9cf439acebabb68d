-- What workers say of themselves, and since when they live.
ALTER TABLE longhaul_workers ADD COLUMN about TEXT;
ALTER TABLE longhaul_workers ADD COLUMN joined_at INTEGER;
