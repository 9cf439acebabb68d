SELECT seq, created_at FROM longhaul_jobs WHERE seq >= ?1 ORDER BY seq LIMIT 1
