DELETE FROM longhaul_labels WHERE name = ?1 AND value = ?2 AND job = ?3
