SELECT kind, version, retention, 0, queue, max_attempts, attempt_timeout, timeout FROM longhaul_kinds
