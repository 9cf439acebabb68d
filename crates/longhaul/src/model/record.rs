//! The record of a job, as every store keeps it.

use std::{fmt, time::Duration};

use longhaul_types::{ItemCounts, JobError, JobId, Labels, Progress, Reason, State, Timestamp};
use serde_json::Value;

use super::Standing;

/// A job's number inside its store: foreign keys and keyset pages. Rises with submission.
pub type Seq = i64;

/// A run's right to write: holds as long as the job's claim number is this one and its worker holds it.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct Claim {
    /// The job.
    pub job: Seq,
    /// The claim number, raised by every claim and never lowered.
    pub number: u64,
}

/// A worker: one life of one process.
#[derive(Clone, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct WorkerId(String);

impl WorkerId {
    /// A new worker, unlike every other.
    #[expect(clippy::new_without_default, reason = "each is another")]
    pub fn new() -> Self {
        Self(uuid::Uuid::now_v7().to_string())
    }

    /// The worker of this name, as a store keeps it.
    pub fn named(name: impl Into<String>) -> Self {
        Self(name.into())
    }

    /// The name.
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl fmt::Display for WorkerId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

/// Where a job stands, with what belongs to that state alone.
#[derive(Clone, Debug, PartialEq)]
pub enum Status {
    /// Waits.
    Pending {
        /// For what.
        reason: Reason,
        /// When it may run; none while it is held.
        run_at: Option<Timestamp>,
        /// The worker that keeps it between two checks.
        worker: Option<WorkerId>,
    },
    /// Runs.
    Running {
        /// Who holds it.
        worker: WorkerId,
        /// When this run began.
        since: Timestamp,
        /// When a cancel was asked for.
        cancel_requested: Option<Timestamp>,
    },
    /// Ended.
    Ended {
        /// How: never pending or running.
        state: State,
        /// When.
        at: Timestamp,
    },
}

impl Status {
    /// The state alone.
    pub fn state(&self) -> State {
        match self {
            Self::Pending { .. } => State::Pending,
            Self::Running { .. } => State::Running,
            Self::Ended { state, .. } => *state,
        }
    }
}

/// A job without its large parts (args, result, log, items): what lists show and workers hold.
#[derive(Clone, Debug, PartialEq)]
pub struct Job {
    /// Number inside the store.
    pub seq: Seq,
    /// Its id, unique under its owner.
    pub id: JobId,
    /// Whose it is; empty for the only owner of a local engine.
    pub owner: String,
    /// What kind of job it is.
    pub kind: String,
    /// Its queue.
    pub queue: String,
    /// Higher runs first.
    pub priority: i16,
    /// Where it stands.
    pub status: Status,
    /// The latest claim number; 0 before the first claim.
    pub claim: u64,
    /// Attempts spent by failing.
    pub attempts: u32,
    /// Attempts in all.
    pub max_attempts: u32,
    /// Times a dead worker held it since it last advanced.
    pub rescues: u32,
    /// Time one attempt may take.
    pub attempt_timeout: Option<Duration>,
    /// Time the whole job may take from its first start.
    pub timeout: Option<Duration>,
    /// How its items stand.
    pub items: ItemCounts,
    /// Why it failed, or what its last failed attempt said.
    pub error: Option<JobError>,
    /// When it was submitted.
    pub created_at: Timestamp,
    /// When it first started; set anew by a retry by hand.
    pub started_at: Option<Timestamp>,
    /// Key that no other living job of this owner and kind has.
    pub unique_key: Option<String>,
    /// Names to values.
    pub labels: Labels,
    /// How far it is.
    pub progress: Progress,
    /// Rises with every change.
    pub revision: u64,
}

impl Job {
    /// The state alone.
    pub fn state(&self) -> State {
        self.status.state()
    }

    /// What the transition function must know.
    pub fn standing(&self) -> Standing {
        Standing {
            state: self.state(),
            cancel_requested: self.cancel_requested(),
            failed_items: self.items.failed > 0,
        }
    }

    /// Whether a cancel was asked for and the run has not stopped yet.
    pub fn cancel_requested(&self) -> bool {
        matches!(
            self.status,
            Status::Running {
                cancel_requested: Some(_),
                ..
            }
        )
    }

    /// When the time of the whole job is over.
    pub fn deadline(&self) -> Option<Timestamp> {
        Some(self.started_at? + self.timeout?)
    }

    /// When it ended.
    pub fn ended_at(&self) -> Option<Timestamp> {
        match self.status {
            Status::Ended { at, .. } => Some(at),
            _ => None,
        }
    }
}

/// A job with its args and result.
#[derive(Clone, Debug, PartialEq)]
pub struct Detail {
    /// The job.
    pub job: Job,
    /// Its args.
    pub args: Value,
    /// Its result, while it is kept.
    pub result: Option<Value>,
}

/// One attempt that ended without completing the job.
#[derive(Clone, Debug, PartialEq)]
pub struct Attempt {
    /// Claim number of the run.
    pub claim: u64,
    /// Who ran it.
    pub worker: WorkerId,
    /// When it began.
    pub started_at: Timestamp,
    /// When it ended.
    pub ended_at: Timestamp,
    /// How it ended.
    pub end: AttemptEnd,
    /// Why, when it failed.
    pub error: Option<JobError>,
}

/// How an attempt ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum AttemptEnd {
    /// With an error; spends an attempt.
    Failed,
    /// By a cancel.
    Cancelled,
    /// Its worker stopped and gave the job back.
    Released,
    /// Its worker died.
    Rescued,
}
