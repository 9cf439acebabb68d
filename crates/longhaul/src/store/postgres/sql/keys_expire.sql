DELETE FROM longhaul.keys WHERE (owner, key) IN (
  SELECT owner, key FROM longhaul.keys WHERE expires_at <= $1 LIMIT 1000 FOR UPDATE SKIP LOCKED
)
