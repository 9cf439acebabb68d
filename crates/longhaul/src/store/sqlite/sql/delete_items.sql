DELETE FROM longhaul_items WHERE job = ?1
