SELECT seq FROM longhaul_jobs WHERE seq < ?1 ORDER BY seq DESC LIMIT ?2
