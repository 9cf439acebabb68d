DELETE FROM longhaul.workers AS w WHERE w.id = ANY($1::bigint[])
AND NOT EXISTS (SELECT FROM longhaul.live AS l WHERE l.worker = w.id AND l.worker IS NOT NULL)
