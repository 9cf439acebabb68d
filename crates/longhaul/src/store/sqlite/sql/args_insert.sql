INSERT INTO longhaul_args (job, version, args, labels) VALUES (?1, ?2, ?3, ?4)
