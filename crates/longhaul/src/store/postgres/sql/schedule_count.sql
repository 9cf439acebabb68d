SELECT count(*) FROM longhaul.schedules
