DELETE FROM longhaul_keys WHERE (owner, key) IN (
  SELECT owner, key FROM longhaul_keys INDEXED BY longhaul_keys_expiry WHERE expires_at <= ?1 LIMIT 1000
)
