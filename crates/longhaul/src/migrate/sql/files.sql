SELECT j.id, a.name, a.location, a.size, a.sha256 FROM longhaul_artifacts AS a JOIN longhaul_jobs AS j ON j.seq = a.job
ORDER BY a.job, a.name
