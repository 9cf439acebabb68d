//! What this system does with Sui, against the stand-ins of a node and an aggregator: the client, and the jobs on a real
//! engine and file.
#![expect(clippy::expect_used, reason = "tests")]

mod client;
mod fetch;
mod monitor;
mod rig;
mod sync;
