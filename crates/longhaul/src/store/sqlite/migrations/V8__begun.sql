-- Lists: pending jobs that have started before. None has when it is submitted, so that a submission writes nothing here.
CREATE INDEX longhaul_jobs_begun ON longhaul_jobs (kind, owner) WHERE state = 0 AND started_at IS NOT NULL;
