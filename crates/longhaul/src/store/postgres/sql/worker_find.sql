SELECT id FROM longhaul.workers
WHERE name = $1 AND alive AND (lease_end IS NULL OR lease_end > coalesce($2::bigint, longhaul.now())) FOR KEY SHARE
