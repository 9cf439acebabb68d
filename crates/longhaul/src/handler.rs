//! What a kind of job implements, and how its runs end.

use std::{error::Error as StdError, fmt, future::Future, time::Duration};

use longhaul_types::{ErrorCode, JobError};
use serde::{Serialize, de::DeserializeOwned};
use serde_json::Value;

use crate::{
    Context,
    model::{Backoff, Retention},
};

/// A kind of job: one file, and one line of registration.
///
/// Runs happen at least once: a process can die between an effect and its record. What must happen once goes through
/// [`Context::commit`] or an item.
pub trait Handler: Send + Sync + 'static {
    /// The kind's name: `system.verb`.
    const KIND: &'static str;

    /// Version of [`Self::Args`]. Raise it when older args do not fit any more, and say in [`Self::upgrade`] how they
    /// become new ones: days-long jobs outlive releases.
    const VERSION: u32 = 1;

    /// What the operation needs to know.
    type Args: DeserializeOwned + Send + 'static;

    /// What it gives.
    type Output: Serialize + Send + 'static;

    /// Does the work. `?` on an ordinary error means: try again.
    fn run(
        &self,
        args: Self::Args,
        job: &Context,
    ) -> impl Future<Output = Result<Outcome<Self::Output>, Failure>> + Send;

    /// Queue, attempts, times and retention of this kind.
    fn policy(&self) -> Policy {
        Policy::default()
    }

    /// Makes args of version `from` into args of [`Self::VERSION`].
    fn upgrade(&self, from: u32, args: Value) -> Result<Value, Failure> {
        let _ = args;
        Err(Failure::fatal(
            ErrorCode::InvalidArgs.as_str(),
            format!(
                "args of version {from} do not fit version {} of {}, and no upgrade is known",
                Self::VERSION,
                Self::KIND
            ),
        ))
    }
}

/// How a run ends well.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Outcome<T> {
    /// With this result.
    Done(T),
    /// Not finished: look again after this time. Spends no attempt and holds no slot.
    CheckAgain(Duration),
}

/// How a run fails: what happened, and whether it may be tried again.
///
/// Every ordinary error becomes one that may, so `?` works; it is no [`std::error::Error`] itself for that reason.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Failure {
    /// Code and message.
    pub error: JobError,
    /// Whether and when to try again.
    pub again: Again,
}

/// Whether and when a failed attempt is tried again, as long as attempts are left.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Again {
    /// After the kind's backoff.
    Backoff,
    /// After this time.
    After(Duration),
    /// Never: it would fail the same way.
    Never,
}

impl Failure {
    /// A failure to try again after the kind's backoff.
    pub fn retry(code: impl Into<String>, message: impl Into<String>) -> Self {
        Self::with(Again::Backoff, code, message)
    }

    /// A failure to try again after `wait`.
    pub fn retry_after(
        wait: Duration,
        code: impl Into<String>,
        message: impl Into<String>,
    ) -> Self {
        Self::with(Again::After(wait), code, message)
    }

    /// A failure that would come again: the job fails at once.
    pub fn fatal(code: impl Into<String>, message: impl Into<String>) -> Self {
        Self::with(Again::Never, code, message)
    }

    fn with(again: Again, code: impl Into<String>, message: impl Into<String>) -> Self {
        Self {
            error: JobError {
                code: code.into(),
                message: message.into(),
            },
            again,
        }
    }
}

impl fmt::Display for Failure {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.error.fmt(f)
    }
}

impl<E: StdError> From<E> for Failure {
    fn from(error: E) -> Self {
        let mut message = error.to_string();
        let mut source = error.source();
        while let Some(cause) = source {
            let text = cause.to_string();
            if !message.ends_with(&text) {
                message.push_str(": ");
                message.push_str(&text);
            }
            source = cause.source();
        }
        Self::retry(ErrorCode::HandlerFailed.as_str(), message)
    }
}

/// What a kind wants unless a submission says otherwise.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Policy {
    /// Queue.
    pub queue: String,
    /// Attempts in all, at least 1.
    pub max_attempts: u32,
    /// Waits between attempts.
    pub backoff: Backoff,
    /// Time one attempt may take.
    pub attempt_timeout: Option<Duration>,
    /// Time the whole job may take from its first start.
    pub timeout: Option<Duration>,
    /// Time a run has to stop by itself after a cancel, a shutdown or a timeout, before it is aborted.
    pub grace: Duration,
    /// How long what a job leaves is kept.
    pub retention: Retention,
    /// Whether the program itself makes the args: a job that is not marked by [`NewJob::internal`](crate::NewJob::internal)
    /// is refused, so that no caller from outside can say what only the program may.
    pub internal: bool,
}

/// The queue of kinds that name none.
pub const DEFAULT_QUEUE: &str = "default";

impl Default for Policy {
    fn default() -> Self {
        Self {
            queue: DEFAULT_QUEUE.to_owned(),
            max_attempts: 5,
            backoff: Backoff::default(),
            attempt_timeout: None,
            timeout: None,
            grace: Duration::from_secs(10),
            retention: Retention::default(),
            internal: false,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_ordinary_error_is_tried_again_and_tells_its_causes() {
        #[derive(Debug, thiserror::Error)]
        #[error("could not read the list")]
        struct Outer(#[source] std::io::Error);

        let failure: Failure = Outer(std::io::Error::other("disk gone")).into();
        assert_eq!(failure.again, Again::Backoff);
        assert_eq!(failure.error.code, "handler_failed");
        assert_eq!(failure.error.message, "could not read the list: disk gone");
    }
}
