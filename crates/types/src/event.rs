//! Live events. An event is a hint, the job is the truth: whoever missed some reads the job again.

use serde::{Deserialize, Serialize};

use crate::{JobId, LogLine, Progress, State, Timestamp};

/// Name of the SSE message that says: some events were missed, read again what you care about.
pub const MISSED: &str = "missed";

/// What happened to one job.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
#[serde(rename_all = "camelCase")]
pub struct Event {
    /// The job.
    pub job_id: JobId,
    /// Whose job it is.
    pub owner: String,
    /// What kind of job it is.
    pub kind: String,
    /// The job's revision after the change.
    pub revision: u64,
    /// When.
    pub time: Timestamp,
    /// What.
    #[serde(flatten)]
    pub event: EventKind,
}

/// The kinds of event.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
#[serde(tag = "event", rename_all = "camelCase")]
pub enum EventKind {
    /// The job was submitted, or changed its state.
    State {
        /// The state it has now.
        state: State,
    },
    /// The job got further.
    Progress {
        /// How far it is.
        progress: Progress,
    },
    /// The job wrote to its log.
    Log {
        /// The new lines.
        lines: Vec<LogLine>,
    },
    /// A cancel was asked for; the run has not stopped yet.
    CancelRequested,
    /// The job was removed: its retention ended.
    Removed,
}

impl EventKind {
    /// The name that JSON and SSE give it.
    pub fn name(&self) -> &'static str {
        match self {
            Self::State { .. } => "state",
            Self::Progress { .. } => "progress",
            Self::Log { .. } => "log",
            Self::CancelRequested => "cancelRequested",
            Self::Removed => "removed",
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_name_is_the_tag_in_json() {
        let kinds = [
            EventKind::State {
                state: State::Running,
            },
            EventKind::Progress {
                progress: Progress::default(),
            },
            EventKind::Log { lines: Vec::new() },
            EventKind::CancelRequested,
            EventKind::Removed,
        ];
        for kind in kinds {
            let json = serde_json::to_value(&kind).expect("json");
            assert_eq!(json["event"], kind.name());
        }
    }
}
