INSERT INTO longhaul_pauses (queue, since) VALUES (?1, ?2) ON CONFLICT (queue) DO NOTHING
