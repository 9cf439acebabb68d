UPDATE longhaul.workers SET alive = false WHERE name = $1 AND alive
