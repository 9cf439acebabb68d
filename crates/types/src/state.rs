//! The five states of a job, and why a pending one waits.

use std::{fmt, str::FromStr};

use serde::{Deserialize, Serialize};

/// Where a job stands.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
#[serde(rename_all = "lowercase")]
pub enum State {
    /// Waits; its [`Reason`] says for what.
    Pending,
    /// A worker holds it.
    Running,
    /// Ended with a result; some items may have failed.
    Completed,
    /// Ended with an error.
    Failed,
    /// Ended because somebody asked for it.
    Cancelled,
}

impl State {
    /// Every state, in the order of the diagram.
    pub const ALL: [Self; 5] = [
        Self::Pending,
        Self::Running,
        Self::Completed,
        Self::Failed,
        Self::Cancelled,
    ];

    /// The state's name: what JSON, filters and logs say.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Pending => "pending",
            Self::Running => "running",
            Self::Completed => "completed",
            Self::Failed => "failed",
            Self::Cancelled => "cancelled",
        }
    }

    /// Whether the job has ended.
    pub fn is_ended(self) -> bool {
        !matches!(self, Self::Pending | Self::Running)
    }
}

impl fmt::Display for State {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(self.as_str())
    }
}

/// The text names no state.
#[derive(Debug, thiserror::Error)]
#[error("'{0}' is no state: pending, running, completed, failed or cancelled")]
pub struct Error(String);

impl FromStr for State {
    type Err = Error;

    fn from_str(text: &str) -> Result<Self, Error> {
        Self::ALL
            .into_iter()
            .find(|state| state.as_str() == text)
            .ok_or_else(|| Error(text.chars().take(64).collect()))
    }
}

/// Why a pending job waits.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
#[serde(rename_all = "lowercase")]
pub enum Reason {
    /// For a free slot; never started.
    New,
    /// Until somebody starts it.
    Held,
    /// For the time it was submitted for.
    Scheduled,
    /// For the backoff after a failed attempt, or retried by hand.
    Retry,
    /// For its next look at something that runs elsewhere.
    Check,
    /// For a free slot; a worker that stopped gave it back.
    Released,
    /// For a free slot; its worker died.
    Rescued,
}

impl Reason {
    /// Every reason.
    pub const ALL: [Self; 7] = [
        Self::New,
        Self::Held,
        Self::Scheduled,
        Self::Retry,
        Self::Check,
        Self::Released,
        Self::Rescued,
    ];

    /// The reason's name.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::New => "new",
            Self::Held => "held",
            Self::Scheduled => "scheduled",
            Self::Retry => "retry",
            Self::Check => "check",
            Self::Released => "released",
            Self::Rescued => "rescued",
        }
    }
}

impl fmt::Display for Reason {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(self.as_str())
    }
}
