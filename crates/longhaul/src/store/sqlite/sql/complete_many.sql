UPDATE OR FAIL longhaul_jobs SET
  state = 2, worker = NULL, since = NULL, ended_at = ?2, sweep_at = ?3, revision = revision + 1
WHERE seq IN (SELECT value FROM rarray(?1))
