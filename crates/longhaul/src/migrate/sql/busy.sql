SELECT EXISTS (SELECT FROM longhaul.workers WHERE alive AND (lease_end IS NULL OR lease_end > longhaul.now()))
