SELECT j.seq FROM longhaul.jobs AS j JOIN longhaul.names AS o ON o.id = j.owner WHERE j.id = $1 AND o.name = $2
