SELECT number, time, level, text FROM longhaul.logs WHERE job = $1 ORDER BY number DESC LIMIT $2
