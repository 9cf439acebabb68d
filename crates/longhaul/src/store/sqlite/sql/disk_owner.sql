SELECT d.bytes FROM longhaul_names AS o CROSS JOIN longhaul_disk AS d ON d.owner = o.id WHERE o.name = ?1
