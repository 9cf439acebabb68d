LOCK TABLE longhaul.jobs, longhaul.names, longhaul.kinds, longhaul.workers, longhaul.tokens, longhaul.schedules
IN ACCESS EXCLUSIVE MODE
