//! Jobs that follow the end of another: what a caller says of them, and what they are told of that end.

use std::time::Duration;

use longhaul_types::{JobError, JobId, State, Timestamp};
use serde::{Deserialize, Serialize};

use super::{Job, NewJob};

/// The label under which a follow-up carries the id of the job that it follows.
pub const AFTER: &str = "longhaul.after";

/// A job that is inserted in the very commit that ends another, each time that one ends: also when it was cancelled before
/// it ran, ran out of time, or lost its workers too often. A retry by hand that ends again is followed again.
#[derive(Clone, Debug, PartialEq)]
pub struct FollowUp {
    /// The ends that it follows; none named means every end.
    pub on: Vec<State>,
    /// The member of its args, an object, under which it is told of that end: a [`Followed`].
    pub tell: Option<String>,
    /// How long after that end it may run.
    pub after: Duration,
    /// The job. Its owner is that of the job it follows, its id is made anew each time, and it has no idempotency key.
    pub job: NewJob,
}

impl FollowUp {
    /// `job` after every end.
    pub fn new(job: NewJob) -> Self {
        Self {
            on: Vec::new(),
            tell: None,
            after: Duration::ZERO,
            job,
        }
    }

    /// After ends of these states alone.
    #[must_use]
    pub fn on(mut self, states: impl IntoIterator<Item = State>) -> Self {
        self.on = states.into_iter().collect();
        self
    }

    /// Told of the end under this member of its args.
    #[must_use]
    pub fn tell(mut self, member: impl Into<String>) -> Self {
        self.tell = Some(member.into());
        self
    }

    /// This long after the end.
    #[must_use]
    pub fn after(mut self, wait: Duration) -> Self {
        self.after = wait;
        self
    }
}

/// The end that a follow-up is told of.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Followed {
    /// The job that ended.
    pub job_id: JobId,
    /// Its kind.
    pub kind: String,
    /// How it ended.
    pub state: State,
    /// Its revision at that end: with the id, what tells this end from others of the job.
    pub revision: u64,
    /// When it ended.
    pub ended_at: Timestamp,
    /// Why, when it failed.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub error: Option<JobError>,
}

impl Followed {
    /// The end of `job`; none when it has not ended.
    pub fn of(job: &Job) -> Option<Self> {
        Some(Self {
            job_id: job.id.clone(),
            kind: job.kind.clone(),
            state: job.state(),
            revision: job.revision,
            ended_at: job.ended_at()?,
            error: job.error.clone().filter(|_| job.state() == State::Failed),
        })
    }
}
