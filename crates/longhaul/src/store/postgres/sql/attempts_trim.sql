DELETE FROM longhaul.attempts WHERE job = $1 AND claim <= $2
