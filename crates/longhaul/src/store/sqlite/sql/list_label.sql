SELECT job FROM longhaul_labels
WHERE name = ?4 AND value = ?5 AND job < ?1 AND job >= ?2
ORDER BY job DESC LIMIT ?3
