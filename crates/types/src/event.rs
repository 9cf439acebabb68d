//! Live events. An event is a hint, the job is the truth: whoever missed some reads the job again.

use serde::{Deserialize, Serialize};

use crate::{JobId, LogLine, Progress, State, Timestamp};

/// What happened to one job.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Event {
    /// The job.
    pub job_id: JobId,
    /// Whose job it is.
    pub owner: String,
    /// What kind of job it is.
    pub kind: String,
    /// The job's revision after the change; 0 where the change left the row alone (log lines).
    pub revision: u64,
    /// When.
    pub time: Timestamp,
    /// What.
    #[serde(flatten)]
    pub event: EventKind,
}

/// The kinds of event.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
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
