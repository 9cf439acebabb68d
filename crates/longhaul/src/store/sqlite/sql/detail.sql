SELECT a.args, r.result FROM longhaul_args AS a LEFT JOIN longhaul_results AS r ON r.job = a.job WHERE a.job = ?1
