//! The program `longhaul` as people run it: real processes, real sockets, real signals, `kill -9`.

#[path = "../../../longhaul/tests/postgres/server.rs"]
#[allow(dead_code, reason = "each of those who start one uses a part")]
mod server;
mod support;

mod bulk;
mod commands;
mod daemon;
mod dashboard;
mod deploy;
mod exit_codes;
mod lists;
mod logs;
mod migrate;
mod postgres;
mod queues;
mod remote;
mod run;
mod s3;
mod safety;
mod schedules;
mod screen;
mod terminal;
mod tls;
mod tokens;
mod top;
mod traces;
mod webhooks;
