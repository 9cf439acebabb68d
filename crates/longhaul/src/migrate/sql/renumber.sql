UPDATE longhaul.settings SET value = $1 WHERE name = 'installation'
