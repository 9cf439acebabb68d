SELECT s.job, c.checkpoint, p.progress FROM unnest($1::bigint[]) AS s (job)
LEFT JOIN longhaul.checkpoints AS c ON c.job = s.job
LEFT JOIN longhaul.progress AS p ON p.job = s.job
WHERE c.job IS NOT NULL OR p.job IS NOT NULL
