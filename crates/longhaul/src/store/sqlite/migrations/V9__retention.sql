-- How long what the jobs of a kind leave is kept, also of kinds that only workers elsewhere run: a JSON object of seconds,
-- as such a worker gives it. What is missing is as for every kind.
ALTER TABLE longhaul_kinds DROP COLUMN sweep_after;
ALTER TABLE longhaul_kinds ADD COLUMN retention TEXT NOT NULL DEFAULT '{}';
