SELECT n.name, p.since FROM longhaul.pauses AS p JOIN longhaul.names AS n ON n.id = p.queue
