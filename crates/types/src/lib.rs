//! Ids, states, progress, events, and the bodies of requests and answers: what Longhaul's programs exchange.
//!
//! Serde only, no I/O; with the feature `openapi`, schemas too. JSON is camelCase and times are RFC 3339 in UTC with milliseconds.

pub mod body;
pub mod error;
pub mod event;
pub mod exit;
pub mod filter;
pub mod id;
pub mod item;
pub mod log;
pub mod progress;
pub mod schedule;
#[cfg(feature = "openapi")]
mod schema;
pub mod state;
pub mod statistics;
pub mod time;
pub mod token;
pub mod worker;

pub use error::{ErrorCode, JobError, Problem};
pub use event::{Event, EventKind};
pub use filter::{FilterNames, JobFilter};
pub use id::{JobId, Labels};
pub use item::{Item, ItemCounts, ItemState};
pub use log::{Level, LogLine};
pub use progress::Progress;
pub use state::{Reason, State};
pub use time::Timestamp;
pub use token::Scope;
