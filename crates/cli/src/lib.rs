//! The programs `longhaul` and `waltodo`: what they share, and the commands of the first.
//!
//! The commands are clients. They speak HTTP to a server over a unix socket in the data folder and start it by
//! themselves when none runs. Only this crate wires stores, server and systems together.

pub mod data_dir;
pub mod exit;
pub mod run_job;
pub mod settings;
pub mod terminal;
