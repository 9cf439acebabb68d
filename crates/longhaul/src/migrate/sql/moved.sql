CREATE TRIGGER IF NOT EXISTS longhaul_moved BEFORE INSERT ON longhaul_jobs
BEGIN
  SELECT RAISE(ABORT, 'longhaul: these jobs have moved to PostgreSQL; submit there');
END;
CREATE TRIGGER IF NOT EXISTS longhaul_moved_rows BEFORE UPDATE ON longhaul_jobs
BEGIN
  SELECT RAISE(ABORT, 'longhaul: these jobs have moved to PostgreSQL; they run there');
END
