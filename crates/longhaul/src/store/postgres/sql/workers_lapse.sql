UPDATE longhaul.workers SET alive = false WHERE alive AND lease_end <= coalesce($1::bigint, longhaul.now())
