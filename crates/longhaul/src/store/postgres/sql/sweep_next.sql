UPDATE longhaul.ended SET sweep_at = $2, revision = revision + 1 WHERE seq = $1
