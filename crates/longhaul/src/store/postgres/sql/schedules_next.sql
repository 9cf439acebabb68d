SELECT min(look_at) FROM longhaul.schedules WHERE look_at IS NOT NULL
