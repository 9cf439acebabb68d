DELETE FROM longhaul.live WHERE seq = $1
