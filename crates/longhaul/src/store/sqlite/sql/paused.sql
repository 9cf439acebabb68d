SELECT n.name, p.since, p.queue FROM longhaul_pauses AS p JOIN longhaul_names AS n ON n.id = p.queue
