SELECT bytes FROM longhaul.disk WHERE owner = $1 FOR UPDATE
