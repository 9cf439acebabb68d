UPDATE OR FAIL longhaul_jobs SET
  state = 1, wait = NULL, reason = NULL, run_at = NULL, worker = ?2, since = ?3, claim = claim + 1,
  started_at = coalesce(started_at, ?3), deadline = coalesce(started_at, ?3) + timeout, revision = revision + 1
WHERE seq IN (SELECT value FROM rarray(?1))
