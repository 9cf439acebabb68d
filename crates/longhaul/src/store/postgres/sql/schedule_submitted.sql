UPDATE longhaul.schedules
SET submitted = submitted + $3, skipped = skipped + $4, last_at = coalesce($5, last_at), last_job = coalesce($6, last_job)
WHERE name = $2 AND owner = (SELECT id FROM longhaul.names WHERE name = $1)
