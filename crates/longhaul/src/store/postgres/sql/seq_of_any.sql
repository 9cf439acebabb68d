SELECT min(seq) FROM longhaul.jobs WHERE id = $1
