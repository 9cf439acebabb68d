SELECT w.id, w.name, w.about, w.joined_at, w.lease, w.lease_end,
  (SELECT count(*) FROM longhaul.live AS l WHERE l.worker = w.id AND l.worker IS NOT NULL)
FROM longhaul.workers AS w WHERE w.alive ORDER BY w.id
