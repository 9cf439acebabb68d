//! The program `waltodo` as a user has it: real processes, a real server on a folder of its own, and the sandbox with
//! true blob IDs. Each block of the document's commands has its test.
#![expect(clippy::expect_used, reason = "tests")]

mod blocks;
mod cache;
mod chain;
mod cleanup;
mod demo;
mod document;
mod faults;
mod fetch;
mod follow;
mod sandbox;
#[path = "../longhaul/screen.rs"]
mod screen;
mod settings;
mod support;
mod top;
