//! Lines of a job's log.

use serde::{Deserialize, Serialize};

use crate::Timestamp;

/// How much a log line matters.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
#[serde(rename_all = "lowercase")]
pub enum Level {
    /// For whoever looks for a fault.
    Debug,
    /// What happened.
    Info,
    /// What did not go as hoped, but goes on.
    Warn,
    /// What failed.
    Error,
}

impl Level {
    /// Every level, least first.
    pub const ALL: [Self; 4] = [Self::Debug, Self::Info, Self::Warn, Self::Error];

    /// The level's name.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Debug => "debug",
            Self::Info => "info",
            Self::Warn => "warn",
            Self::Error => "error",
        }
    }
}

/// One line of a job's log.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
#[serde(rename_all = "camelCase")]
pub struct LogLine {
    /// Number of the line in its job, from 1, never used twice. A gap is where lines past the limit were dropped.
    pub number: u64,
    /// When it was written.
    pub time: Timestamp,
    /// How much it matters.
    pub level: Level,
    /// The text, without a line end.
    pub text: String,
}
