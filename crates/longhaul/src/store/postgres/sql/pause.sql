INSERT INTO longhaul.pauses (queue, since) VALUES ($1, $2) ON CONFLICT (queue) DO NOTHING
