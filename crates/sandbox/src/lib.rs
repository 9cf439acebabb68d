//! Local stand-ins for the services that the systems talk to.
//!
//! They answer as the real services do, from data on this machine, and can be told to fail in the ways the real ones fail.
//! Invariant: they listen on loopback alone, and serve nothing outside the folder they were given.

pub mod aggregator;
mod journal;
mod rules;
mod running;
pub mod sui;
