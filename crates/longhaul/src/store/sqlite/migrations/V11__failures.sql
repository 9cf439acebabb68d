-- Failures by what went wrong, and lists of them in the order of submission.
CREATE INDEX longhaul_jobs_failed ON longhaul_jobs (kind, error_code, owner) WHERE state = 3;
