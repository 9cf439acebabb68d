SELECT EXISTS (SELECT FROM longhaul.jobs) OR EXISTS (SELECT FROM longhaul.tokens) OR EXISTS (SELECT FROM longhaul.schedules)
