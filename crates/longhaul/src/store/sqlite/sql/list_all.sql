SELECT seq FROM longhaul_jobs WHERE seq < ?1 AND seq >= ?2 ORDER BY seq DESC LIMIT ?3
