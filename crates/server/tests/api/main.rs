//! A real server over a real unix socket and TCP, driven by the client and by bare HTTP.
#![expect(clippy::unwrap_used, reason = "a test that fails says where")]

mod jobs;
mod support;
