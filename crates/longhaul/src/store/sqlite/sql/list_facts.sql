SELECT owner, kind, queue, state, created_at, started_at, ended_at FROM longhaul_jobs WHERE seq = ?1
