TRUNCATE longhaul.names, longhaul.kinds, longhaul.workers, longhaul.counts, longhaul.disk, longhaul.pauses, longhaul.keys
