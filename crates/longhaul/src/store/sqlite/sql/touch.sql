UPDATE longhaul_jobs SET
  revision = revision + ?2, items = ?3, items_completed = ?4, items_failed = ?5, lines = ?6, rescues = ?7
WHERE seq = ?1
