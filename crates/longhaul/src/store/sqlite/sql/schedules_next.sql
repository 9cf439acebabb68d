SELECT min(look_at) FROM longhaul_schedules WHERE look_at IS NOT NULL
