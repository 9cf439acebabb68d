SELECT value FROM longhaul_settings WHERE name = ?1
