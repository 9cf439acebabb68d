SELECT count(*) FROM longhaul_jobs WHERE worker IS NOT NULL
