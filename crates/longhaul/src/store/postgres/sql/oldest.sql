SELECT n.name, l.run_at FROM (
  SELECT DISTINCT ON (queue) queue, run_at FROM longhaul.live
  WHERE wait IN (1, 2) AND run_at <= $1 ORDER BY queue, seq
) AS l JOIN longhaul.names AS n ON n.id = l.queue
