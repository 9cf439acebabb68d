SELECT job, true FROM longhaul.labels WHERE name = $3 AND value = $4 AND job < $1 ORDER BY job DESC LIMIT $2
