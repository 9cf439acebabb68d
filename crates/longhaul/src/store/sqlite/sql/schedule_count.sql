SELECT count(*) FROM longhaul_schedules
