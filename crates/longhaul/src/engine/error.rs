//! What can go wrong between a program and its engine.

use longhaul_types::{ErrorCode, JobId, State};

use crate::{
    artifacts,
    model::schedule::Invalid,
    store::{self, Request},
};

/// What can go wrong between a program and its engine.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// The store refused or failed.
    #[error(transparent)]
    Store(#[from] store::Error),
    /// The artifacts' store refused or failed.
    #[error(transparent)]
    Artifacts(#[from] artifacts::Error),
    /// No such job, or another owner's.
    #[error("no job with id '{0}'")]
    NotFound(JobId),
    /// No kind names such a queue, no job is in it, and this process runs none of it.
    #[error("there is no queue '{0}'; check the spelling")]
    UnknownQueue(String),
    /// No such worker, or its lease has ended.
    #[error(
        "no worker '{0}' lives: it left, or its lease has ended; stop what it runs, and join again"
    )]
    UnknownWorker(String),
    /// What a worker asks does not fit.
    #[error("{0}")]
    Worker(String),
    /// No such schedule, or another owner's.
    #[error("there is no schedule '{0}'; check the spelling")]
    UnknownSchedule(String),
    /// A schedule can not be kept.
    #[error("the schedule can not be kept: {0}")]
    InvalidSchedule(#[from] Invalid),
    /// A schedule was changed again and again while this change of it was made.
    #[error("the schedule '{0}' is being changed by others all the time; try again")]
    ContestedSchedule(String),
    /// The job's state does not allow this.
    #[error("job '{id}' is {state}: {}", why_not(*request, *state))]
    Illegal {
        /// The job.
        id: JobId,
        /// What was asked for.
        request: Request,
        /// The state it is in.
        state: State,
    },
    /// The args do not fit the kind.
    #[error("{0}")]
    Args(String),
    /// Args, a result or a checkpoint are no JSON of the expected shape.
    #[error("{what} do not fit: {source}")]
    Json {
        /// What does not fit.
        what: &'static str,
        /// Where and why.
        source: serde_json::Error,
    },
    /// A value is past its limit.
    #[error("{what} is {size}, more than the limit of {limit}")]
    TooLarge {
        /// Which value.
        what: &'static str,
        /// How large it is.
        size: u64,
        /// How large it may be.
        limit: u64,
    },
    /// A name is empty or has control characters.
    #[error("'{value}' is no {what}: it must be text without control characters")]
    BadName {
        /// Which name.
        what: &'static str,
        /// The text, shortened.
        value: String,
    },
    /// Jobs of this kind are made by the program itself.
    #[error("jobs of kind '{0}' are made by the server itself, and submitted by nobody")]
    InternalKind(String),
    /// A follow-up asks for what follow-ups do not have.
    #[error("a follow-up {0}")]
    FollowUp(&'static str),
    /// The args of a new job hold the value of a secret.
    #[error(
        "the args hold the value of a secret, which would be kept in the clear; name it: {{\"$secret\": …}}"
    )]
    SecretInArgs,
    /// No registered kind takes args of this type, or several do.
    #[error(
        "{count} registered kinds take args of type {args}; submit a NewJob that names the kind"
    )]
    AmbiguousArgs {
        /// The type.
        args: &'static str,
        /// How many kinds take it.
        count: usize,
    },
    /// Two handlers were registered for one kind.
    #[error("two handlers are registered for the kind '{0}'")]
    DuplicateKind(String),
    /// The run has lost its claim on the job and must stop: nothing was written.
    #[error("this run does not hold its job any more")]
    ClaimLost,
    /// A file or folder of the engine can not be used.
    #[error("{path}: {source}")]
    Io {
        /// Where.
        path: String,
        /// Why.
        source: std::io::Error,
    },
    /// The engine has been shut down.
    #[error("the engine is shut down")]
    Closed,
}

/// Why a job in this state is not asked for this, and what to do.
fn why_not(request: Request, state: State) -> &'static str {
    match (request, state) {
        (Request::Cancel, _) => "there is nothing left to cancel",
        (Request::Retry, State::Pending) => "it runs without being retried",
        (Request::Retry, State::Running) => "wait for its end, or cancel it first",
        (Request::Retry, State::Completed) => "none of its items failed, there is nothing to retry",
        (Request::Retry, State::Failed | State::Cancelled) => {
            "another job lives under its unique key; wait for that one's end"
        }
        (Request::Start, State::Pending) => {
            "it waits for a slot or for its next check, not for somebody to start it"
        }
        (Request::Start, State::Running) => "it was started already",
        (Request::Start, _) => "only a job that waits is started; retry this one",
        (Request::Remove, _) => "only a job that has ended is removed; cancel it first",
    }
}

impl Error {
    /// The stable code that users meet.
    pub fn code(&self) -> ErrorCode {
        match self {
            Self::Store(error) => match error {
                store::Error::IdTaken(_) => ErrorCode::IdTaken,
                store::Error::UnknownKind(_) => ErrorCode::UnknownKind,
                store::Error::QueueFull { .. } => ErrorCode::QueueFull,
                store::Error::DiskLimit { .. } => ErrorCode::OwnerLimit,
                store::Error::TooManySchedules(_) => ErrorCode::TooLarge,
                store::Error::NotFound(_) => ErrorCode::NotFound,
                store::Error::Full(_) | store::Error::Locked(_) | store::Error::Unavailable(_) => {
                    ErrorCode::Unavailable
                }
                store::Error::Corrupt(_)
                | store::Error::Schema(_)
                | store::Error::TokenTaken
                | store::Error::Internal(_) => ErrorCode::Internal,
            },
            Self::NotFound(_) => ErrorCode::NotFound,
            Self::UnknownQueue(_) => ErrorCode::UnknownQueue,
            Self::UnknownWorker(_) => ErrorCode::UnknownWorker,
            Self::UnknownSchedule(_) => ErrorCode::UnknownSchedule,
            Self::InvalidSchedule(_) => ErrorCode::InvalidSchedule,
            Self::Illegal { .. } => ErrorCode::IllegalTransition,
            Self::Args(_) | Self::Json { .. } | Self::SecretInArgs => ErrorCode::InvalidArgs,
            Self::TooLarge { .. } => ErrorCode::TooLarge,
            Self::Worker(_)
            | Self::BadName { .. }
            | Self::FollowUp(_)
            | Self::AmbiguousArgs { .. }
            | Self::DuplicateKind(_) => ErrorCode::BadRequest,
            Self::InternalKind(_) => ErrorCode::Forbidden,
            Self::ClaimLost => ErrorCode::ClaimLost,
            Self::Artifacts(error) => match error {
                artifacts::Error::TooLarge(_) => ErrorCode::TooLarge,
                artifacts::Error::BadName(_) => ErrorCode::BadRequest,
                artifacts::Error::Read(error) if error.kind() == std::io::ErrorKind::TimedOut => {
                    ErrorCode::RequestTimeout
                }
                artifacts::Error::Read(_) => ErrorCode::BadRequest,
                artifacts::Error::Store(_) | artifacts::Error::Place { .. } => {
                    ErrorCode::Unavailable
                }
            },
            Self::Io { .. } => ErrorCode::Internal,
            Self::Closed | Self::ContestedSchedule(_) => ErrorCode::Unavailable,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_refusal_says_what_to_do() {
        let refused = |request, state| {
            let id = "a".parse().expect("an id");
            Error::Illegal { id, request, state }.to_string()
        };
        assert_eq!(
            refused(Request::Remove, State::Running),
            "job 'a' is running: only a job that has ended is removed; cancel it first"
        );
        assert_eq!(
            refused(Request::Retry, State::Completed),
            "job 'a' is completed: none of its items failed, there is nothing to retry"
        );
    }
}
