//! A real server over a real unix socket and TCP, driven by the client and by bare HTTP.
#![expect(clippy::unwrap_used, reason = "a test that fails says where")]

mod access;
mod bulk;
mod bulk_jobs;
mod dashboard;
mod doors;
mod errors;
mod events;
mod files;
mod guide;
mod jobs;
mod lifecycle;
mod lists;
mod metrics;
mod openapi;
mod parts;
mod queues;
mod raw;
mod schedules;
mod socketio;
mod sockets;
mod statistics;
mod submission;
mod support;
mod tls;
mod webhooks;
mod workers;
