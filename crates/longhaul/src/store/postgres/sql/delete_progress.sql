DELETE FROM longhaul.progress WHERE job = $1
