DELETE FROM longhaul.logs WHERE job = $1 AND number > $2 AND number <= $3
