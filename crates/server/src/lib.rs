//! Longhaul's HTTP server: the native API and live events over an engine, on a unix socket and on TCP.
//!
//! It knows an [`Engine`](longhaul::Engine) and no system: what a kind of job must not be told from afar is said by an
//! [`Admission`] that the caller hands in. Invariants: nothing is answered before the [door](Door) has let the caller
//! in; every body, page, queue and wait has a limit; an error is a problem document with a stable code.
//!
//! ```no_run
//! # async fn example(engine: longhaul::Engine) -> Result<(), longhaul_server::Error> {
//! use longhaul_server::{Options, Server};
//!
//! let server = Server::bind(engine, Options::new("1.0.0", "build 1").socket("/home/me/data/socket")).await?;
//! let handle = server.start();
//! let reason = handle.wait().await; // idle for long enough, or asked to stop
//! # Ok(()) }
//! ```

mod access;
mod admission;
mod answer;
pub mod bulk;
mod connection;
mod dashboard;
mod error;
mod filter;
mod folder;
mod idle;
mod live;
mod metrics;
mod openapi;
mod options;
pub mod outgoing;
mod query;
mod request;
mod routes;
mod secret_file;
mod server;
mod sockets;
mod stall;
mod statistics;
mod tls;
mod token;
mod trace;
mod view;
pub mod webhook;

pub use access::{AccessLimits, Door, Right};
pub use admission::{Admission, Everywhere, LocalOnly};
pub use error::Error;
pub use folder::secure_folder;
pub use metrics::Metrics;
pub use options::Options;
pub use routes::ROUTES;
pub use secret_file::{SecretFile, SecretInfo};
pub use server::{Handle, Server, StopReason, Stopper};
pub use socketioxide;
pub use sockets::{Guest, SocketEvents, rooms_that_see};
pub use tls::Tls;
pub use token::AdminToken;
pub use trace::{TRACEPARENT, Trace, Traces};
