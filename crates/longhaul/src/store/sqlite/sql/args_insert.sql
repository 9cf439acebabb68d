INSERT INTO longhaul_args (job, version, args, labels)
VALUES (?, ?, ?, ?)
