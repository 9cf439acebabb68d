//! Long operations in the background, never lost.
//!
//! A program starts an operation, gets a job id at once, watches it go, cancels it and gets its result, even if the
//! process dies in between. [`Engine`] is the way in, [`Handler`] is what a kind of job implements, and [`Context`] is
//! what a running handler talks to. [`Store`] is where jobs live: SQLite by default, and in memory for tests.

pub mod artifacts;
pub mod clock;
pub mod context;
pub mod engine;

pub mod handler;
#[cfg(feature = "postgres")]
pub mod migrate;
pub mod model;
pub mod secrets;
pub mod store;
pub mod testing;

pub use context::Context;
pub use engine::{Engine, JobHandle};

pub use handler::{Failure, Handler, Outcome};
pub use longhaul_types as types;
pub use model::{Job, NewJob};
pub use rusqlite;
pub use store::Store;
#[cfg(feature = "postgres")]
pub use tokio_postgres;
