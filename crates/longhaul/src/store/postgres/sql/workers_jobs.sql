SELECT seq FROM longhaul.live WHERE worker = ANY($1::bigint[]) AND worker IS NOT NULL ORDER BY seq LIMIT $2 FOR UPDATE SKIP LOCKED
