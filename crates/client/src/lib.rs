//! Typed client of Longhaul's HTTP API
