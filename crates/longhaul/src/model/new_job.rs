//! A job as it is submitted.

use std::time::Duration;

use longhaul_types::{JobId, Labels, Timestamp};
use serde::Serialize;

use super::FollowUp;
use crate::handler::Handler;

/// A job to submit: what is not said here comes from its kind.
#[derive(Clone, Debug, PartialEq)]
pub struct NewJob {
    /// What kind of job.
    pub kind: String,
    /// Version of the args; the kind's own when none.
    pub args_version: Option<u32>,
    /// Its args, JSON text.
    pub args: String,
    /// The caller's own id.
    pub id: Option<JobId>,
    /// Whose it is.
    pub owner: String,
    /// Its queue.
    pub queue: Option<String>,
    /// Higher runs first.
    pub priority: i16,
    /// Names to values.
    pub labels: Labels,
    /// When it may run.
    pub start: Start,
    /// At most one living job of this owner and kind has this key.
    pub unique_key: Option<String>,
    /// For 24 hours a second submission of this owner with this key gets the first job.
    pub idempotency_key: Option<String>,
    /// Attempts in all.
    pub max_attempts: Option<u32>,
    /// Time one attempt may take.
    pub attempt_timeout: Option<Duration>,
    /// Time the whole job may take from its first start.
    pub timeout: Option<Duration>,
    /// Jobs that follow its ends.
    pub follow_ups: Vec<FollowUp>,
    /// Whether its args are the program's own, as kinds that are internal need it.
    pub internal: bool,
}

/// When a new job may run.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Start {
    /// At once.
    #[default]
    Now,
    /// Not before this time.
    At(Timestamp),
    /// This long after its submission.
    After(Duration),
    /// When somebody starts it.
    Held,
}

impl NewJob {
    /// A job of `kind` with args as JSON text.
    pub fn raw(kind: impl Into<String>, args: impl Into<String>) -> Self {
        Self {
            kind: kind.into(),
            args_version: None,
            args: args.into(),
            id: None,
            owner: String::new(),
            queue: None,
            priority: 0,
            labels: Labels::new(),
            start: Start::Now,
            unique_key: None,
            idempotency_key: None,
            max_attempts: None,
            attempt_timeout: None,
            timeout: None,
            follow_ups: Vec::new(),
            internal: false,
        }
    }

    /// A job of `kind` with any args.
    pub fn new(kind: impl Into<String>, args: &impl Serialize) -> Result<Self, serde_json::Error> {
        Ok(Self::raw(kind, serde_json::to_string(args)?))
    }

    /// A job for `H`.
    pub fn of<H: Handler>(args: &H::Args) -> Result<Self, serde_json::Error>
    where
        H::Args: Serialize,
    {
        let mut job = Self::new(H::KIND, args)?;
        job.args_version = Some(H::VERSION);
        Ok(job)
    }

    /// With the caller's own id.
    #[must_use]
    pub fn id(mut self, id: JobId) -> Self {
        self.id = Some(id);
        self
    }

    /// For this owner.
    #[must_use]
    pub fn owner(mut self, owner: impl Into<String>) -> Self {
        self.owner = owner.into();
        self
    }

    /// In this queue.
    #[must_use]
    pub fn queue(mut self, queue: impl Into<String>) -> Self {
        self.queue = Some(queue.into());
        self
    }

    /// With this priority; higher runs first.
    #[must_use]
    pub fn priority(mut self, priority: i16) -> Self {
        self.priority = priority;
        self
    }

    /// With this label.
    #[must_use]
    pub fn label(mut self, name: impl Into<String>, value: impl Into<String>) -> Self {
        self.labels.insert(name.into(), value.into());
        self
    }

    /// When it may run.
    #[must_use]
    pub fn start(mut self, start: Start) -> Self {
        self.start = start;
        self
    }

    /// With a key that no other living job of this owner and kind has.
    #[must_use]
    pub fn unique_key(mut self, key: impl Into<String>) -> Self {
        self.unique_key = Some(key.into());
        self
    }

    /// With a key under which a second submission within 24 hours gets the first job.
    #[must_use]
    pub fn idempotency_key(mut self, key: impl Into<String>) -> Self {
        self.idempotency_key = Some(key.into());
        self
    }

    /// With this many attempts in all.
    #[must_use]
    pub fn max_attempts(mut self, attempts: u32) -> Self {
        self.max_attempts = Some(attempts);
        self
    }

    /// With this time for one attempt.
    #[must_use]
    pub fn attempt_timeout(mut self, timeout: Duration) -> Self {
        self.attempt_timeout = Some(timeout);
        self
    }

    /// With this time for the whole job.
    #[must_use]
    pub fn timeout(mut self, timeout: Duration) -> Self {
        self.timeout = Some(timeout);
        self
    }

    /// With args that are the program's own. Never of a job that somebody else describes.
    #[must_use]
    pub fn internal(mut self) -> Self {
        self.internal = true;
        self
    }

    /// With a job that follows its ends.
    #[must_use]
    pub fn follow_up(mut self, follow_up: FollowUp) -> Self {
        self.follow_ups.push(follow_up);
        self
    }

    /// Refuses what a submission in the caller's own transaction can not have.
    pub(crate) fn fits_callers_transaction(&self) -> Result<(), &'static str> {
        if self.idempotency_key.is_some() {
            return Err(
                "a submission in the caller's transaction has no idempotency key: use a unique key",
            );
        }
        if !self.follow_ups.is_empty() {
            return Err(
                "a submission in the caller's transaction has no follow-ups: submit them in the job's own run, or submit \
                 through the engine",
            );
        }
        Ok(())
    }
}
