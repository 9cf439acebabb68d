SELECT j.args, r.result FROM longhaul.jobs AS j LEFT JOIN longhaul.results AS r ON r.job = j.seq WHERE j.seq = $1
