SELECT seq FROM longhaul.live WHERE worker = $1 AND worker IS NOT NULL AND cancel_requested IS NOT NULL ORDER BY seq
