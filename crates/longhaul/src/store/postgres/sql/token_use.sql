UPDATE longhaul.tokens AS t SET used_at = u.at FROM unnest($1::text[], $2::bigint[]) AS u (id, at)
WHERE t.id = u.id AND (t.used_at IS NULL OR t.used_at < u.at)
