SELECT position, state FROM longhaul_items WHERE job = ?1 AND name = ?2
