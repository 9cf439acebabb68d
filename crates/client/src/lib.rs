//! A typed client of Longhaul's HTTP API, over a unix socket or TCP.
//!
//! Invariants: every call has a limit of time, every answer and every message of a stream a limit of size, and every
//! retry an end. A failure says whether the server refused ([`Error::Refused`], with its problem document), was not
//! there ([`Error::Unreachable`]: nothing was done) or went away in between ([`Error::Interrupted`]: unknown).
//!
//! ```no_run
//! # async fn example() -> Result<(), longhaul_client::Error> {
//! use longhaul_client::Client;
//! use longhaul_types::body::SubmitRequest;
//!
//! let client = Client::unix("/home/me/data/socket")?;
//! let request = SubmitRequest { kind: "walrus.retrieve".into(), ..Default::default() };
//! let job = client.submit(&request).await?;
//! let ended = client.wait(&job.job_id).await?;
//! println!("{}", ended.message);
//! # Ok(()) }
//! ```

mod client;
mod download;
mod error;
mod events;
mod follow;
mod jobs;
mod query;
mod schedules;
mod sse;
mod tokens;

pub use client::{Client, Token, install_crypto};
pub use download::Download;
pub use error::Error;
pub use events::{Events, Heard};
pub use follow::{Follow, Update};
pub use longhaul_types as types;
pub use query::JobsQuery;
