UPDATE OR FAIL longhaul_jobs SET
  state = 2, worker = NULL, since = NULL, ended_at = ?3, sweep_at = ?4, revision = revision + 1
WHERE seq BETWEEN ?1 AND ?2
