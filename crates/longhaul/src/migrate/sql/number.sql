SELECT value FROM longhaul.settings WHERE name = 'installation'
