UPDATE OR FAIL longhaul_jobs SET
  state = 1, wait = NULL, reason = NULL, run_at = NULL, worker = ?3, since = ?4, claim = claim + 1,
  started_at = coalesce(started_at, ?4), deadline = coalesce(started_at, ?4) + timeout, revision = revision + 1
WHERE seq BETWEEN ?1 AND ?2
