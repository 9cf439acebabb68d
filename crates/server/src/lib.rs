//! Longhaul's HTTP server: REST and live events over a registry of handlers
