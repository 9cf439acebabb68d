DELETE FROM longhaul.ended WHERE seq = $1
