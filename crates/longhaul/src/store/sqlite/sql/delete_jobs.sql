DELETE FROM longhaul_jobs WHERE seq = ?1
