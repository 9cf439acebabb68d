DELETE FROM longhaul.results WHERE job = $1
