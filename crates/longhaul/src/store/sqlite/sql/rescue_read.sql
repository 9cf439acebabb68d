SELECT owner, kind, queue, state, claim, worker, since, cancel_requested IS NOT NULL, rescues, check_every, follow_ups
FROM longhaul_jobs WHERE seq = ?1
