SELECT value FROM longhaul.settings WHERE name = $1
