-- A number that tells these jobs from those of any other installation; made once.
INSERT INTO longhaul_settings (name, value) VALUES ('installation', abs(random() % 9007199254740991) + 1);
