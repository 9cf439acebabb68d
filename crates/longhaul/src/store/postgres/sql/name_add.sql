INSERT INTO longhaul.names (name) VALUES ($1) ON CONFLICT (name) DO NOTHING
