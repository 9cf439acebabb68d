-- A number that tells these jobs from those of any other installation; made once.
INSERT INTO longhaul.settings (name, value) VALUES ('installation', (random() * 9007199254740990)::bigint + 1);
