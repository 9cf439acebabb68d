DELETE FROM longhaul.tokens WHERE id = $1
