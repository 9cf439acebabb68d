SELECT count(*) FROM (SELECT 1 FROM longhaul_labels WHERE name = ?1 AND value = ?2 LIMIT ?3)
