SELECT number, time, level, text FROM longhaul.logs WHERE job = $1 AND number > $2 ORDER BY number LIMIT $3
