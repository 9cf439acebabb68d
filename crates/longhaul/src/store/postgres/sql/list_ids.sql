SELECT seq FROM longhaul.jobs WHERE id = $1 AND ($2::integer IS NULL OR owner = $2) ORDER BY seq DESC LIMIT 1000
