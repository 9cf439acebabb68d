UPDATE longhaul.workers SET about = $2 WHERE name = $1 AND alive
