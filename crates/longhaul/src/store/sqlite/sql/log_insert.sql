INSERT INTO longhaul_logs (job, number, time, level, text) VALUES (?1, ?2, ?3, ?4, ?5)
