SELECT owner, kind, queue, state, created_at, started_at, ended_at, error_code FROM longhaul_jobs WHERE seq = ?1
