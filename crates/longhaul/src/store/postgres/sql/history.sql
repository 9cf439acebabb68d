SELECT to_regclass('longhaul.schema_history') IS NOT NULL
