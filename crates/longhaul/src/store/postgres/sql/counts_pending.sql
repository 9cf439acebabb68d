SELECT coalesce(sum(n), 0)::bigint FROM longhaul.counts WHERE state = 0 AND queue = $1
