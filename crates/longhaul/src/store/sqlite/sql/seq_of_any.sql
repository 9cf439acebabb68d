SELECT min(seq) FROM longhaul_jobs WHERE id = ?1
