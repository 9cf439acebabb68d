UPDATE longhaul.disk SET bytes = bytes - $2 WHERE owner = $1
