DELETE FROM longhaul.logs WHERE job = $1
