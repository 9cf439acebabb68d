//! The programs `longhaul` and `waltodo`: what they share, and the commands of the first.
//!
//! The commands are clients. They speak HTTP to a server over a unix socket in the data folder and start it by
//! themselves when none runs. Only this crate wires stores, server and systems together.

pub mod commands;
pub mod daemon;
pub mod data_dir;
mod database;
pub mod exit;
pub mod follow;
pub mod kinds;
pub mod longhaul;
pub mod output;
pub mod run_job;
pub mod service;
pub mod session;
pub mod settings;
pub mod terminal;
pub mod traces;
pub mod waltodo;

/// A job's memory is made by one thread and freed by another, over which the usual allocator of Linux has its threads wait
/// for each other. Without huge pages, which would hold on to half as much again of what a retrieval frees.
#[global_allocator]
static ALLOCATOR: mimalloc::MiMalloc = mimalloc::MiMalloc;

/// Version of the programs.
pub const VERSION: &str = env!("CARGO_PKG_VERSION");

/// The build: version and commit. Commands and servers of different builds do not talk to each other.
pub const BUILD: &str = env!("LONGHAUL_BUILD");
