UPDATE longhaul.workers SET alive = false WHERE alive AND lease IS NULL AND name <> $1
