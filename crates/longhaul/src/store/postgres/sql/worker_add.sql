INSERT INTO longhaul.workers (name, lease, lease_end, joined_at)
VALUES ($1, $2, coalesce($3::bigint, longhaul.now()) + $2, $4)
