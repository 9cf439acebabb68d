DELETE FROM longhaul_args WHERE job = ?1
