SELECT name FROM longhaul.workers WHERE id = $1
