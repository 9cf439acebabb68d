SELECT seq FROM longhaul.live WHERE deadline IS NOT NULL AND wait IS NOT NULL AND deadline <= $1 ORDER BY seq LIMIT $2
