//! What happened of late, for charts: the answer of `GET /api/v1/statistics`.

use std::{collections::BTreeMap, fmt, str::FromStr};

use serde::{Deserialize, Serialize};

use crate::Timestamp;

/// How far back, and in which steps.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
#[serde(rename_all = "camelCase")]
pub enum Span {
    /// The last hour, by the minute.
    #[default]
    Hour,
    /// The last day, by the quarter of an hour.
    Day,
}

/// The text names no span.
#[derive(Debug, thiserror::Error)]
#[error("'{0}' is none of hour, day")]
pub struct UnknownSpan(String);

impl Span {
    /// Every span.
    pub const ALL: [Self; 2] = [Self::Hour, Self::Day];

    /// As JSON says it.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Hour => "hour",
            Self::Day => "day",
        }
    }

    /// Seconds of a step.
    pub fn step_seconds(self) -> u32 {
        match self {
            Self::Hour => 60,
            Self::Day => 900,
        }
    }

    /// Steps that it has.
    pub fn steps(self) -> usize {
        match self {
            Self::Hour => 60,
            Self::Day => 96,
        }
    }
}

impl FromStr for Span {
    type Err = UnknownSpan;

    fn from_str(text: &str) -> Result<Self, UnknownSpan> {
        let found = Self::ALL.into_iter().find(|known| known.as_str() == text);
        found.ok_or_else(|| UnknownSpan(text.chars().take(64).collect()))
    }
}

impl fmt::Display for Span {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(self.as_str())
    }
}

/// What this server did of late. It is counted in memory: nothing is known from before `since`.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
#[serde(rename_all = "camelCase")]
pub struct Statistics {
    /// How far back it goes.
    pub span: Span,
    /// Since when there are numbers: the server's start.
    pub since: Timestamp,
    /// Seconds of a step.
    pub step_seconds: u32,
    /// Bounds of `took`, in seconds: each counts the runs that took so long at most and longer than the bound before. Longer
    /// ones are in one more count.
    pub bounds: Vec<f64>,
    /// The steps, the oldest first; the last one goes on.
    pub steps: Vec<Step>,
}

/// What happened in a step of time.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
#[serde(rename_all = "camelCase")]
pub struct Step {
    /// When it begins.
    pub from: Timestamp,
    /// By kind, those of which something ended or ran. Kinds beyond the first 64 are together in `other`.
    pub kinds: BTreeMap<String, KindStep>,
    /// By queue, those that had jobs that wait or run. Queues beyond the first 64 are together in `other`.
    pub queues: BTreeMap<String, QueueStep>,
}

/// What happened to a kind in a step.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
#[serde(rename_all = "camelCase")]
pub struct KindStep {
    /// Jobs that completed.
    pub completed: u64,
    /// Jobs that failed.
    pub failed: u64,
    /// Jobs that were cancelled.
    pub cancelled: u64,
    /// Failed runs whose jobs are tried again.
    pub retried: u64,
    /// Runs by how long they took; checks of monitors too.
    pub took: Vec<u64>,
}

/// How deep a queue was at its deepest in a step.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
#[serde(rename_all = "camelCase")]
pub struct QueueStep {
    /// Most jobs that waited.
    pub pending: u64,
    /// Most jobs that ran.
    pub running: u64,
}
