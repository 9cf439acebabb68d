//! Submission in the caller's own transaction, on the caller's own connection.
//!
//! The function `longhaul.submit` of the database does the work, so that any client of any language can do the same:
//!
//! ```sql
//! SELECT longhaul.submit('system.verb', '{"json": true}')
//! ```
//!
//! Invariant: what it takes is a job as whole as one that came through the engine: named, counted, labelled.

use longhaul_types::{JobId, Timestamp};
use tokio_postgres::GenericClient;

use super::{error::store_error, row};
use crate::{
    model::{NewJob, Start},
    store::Error,
};

/// Submits a job on a client or in a transaction: the job is there if that commits. Answers with its id, or with that of
/// the living job that has its unique key.
///
/// Workers are told when the transaction commits. Where many commit at once, they do so one after another, as PostgreSQL
/// has transactions that notify do.
///
/// # Errors
/// [`Error::IdTaken`], [`Error::UnknownKind`], [`Error::QueueFull`] as at any submission; [`Error::Internal`] with what
/// PostgreSQL said, also for an `idempotency_key`, which the caller's own transaction makes needless, and for follow-ups, of
/// which the function knows nothing. As with any error in PostgreSQL, the transaction can then only be rolled back, unless
/// it has a savepoint.
pub async fn submit_in<C>(client: &C, job: &NewJob) -> Result<JobId, Error>
where
    C: GenericClient + Sync,
{
    job.fits_callers_transaction()
        .map_err(|why| Error::Internal(why.to_owned()))?;
    let (run_at, held) = match job.start {
        Start::Now => (None, false),
        Start::At(time) => (Some(time.0), false),
        Start::After(wait) => (Some((Timestamp::now() + wait).0), false),
        Start::Held => (None, true),
    };
    let labels =
        serde_json::to_string(&job.labels).map_err(|error| Error::Internal(error.to_string()))?;
    let small = |number: Option<u32>| number.map(|n| i32::try_from(n).unwrap_or(i32::MAX));
    let found = client
        .query_one(
            sql!("submit"),
            &[
                &job.kind,
                &job.args,
                &job.id.as_ref().map(JobId::as_str),
                &job.owner,
                &job.queue,
                &i32::from(job.priority),
                &labels,
                &run_at,
                &held,
                &job.unique_key,
                &small(job.max_attempts.map(|most| most.max(1))),
                &job.attempt_timeout.map(row::millis),
                &job.timeout.map(row::millis),
                &small(job.args_version),
            ],
        )
        .await
        .map_err(|error| refused(&error, job))?;
    row::id(&found, 0)
}

/// What the function's refusal means.
fn refused(error: &tokio_postgres::Error, job: &NewJob) -> Error {
    let Some(said) = error.as_db_error() else {
        return store_error(error);
    };
    match (said.code().code(), &job.id) {
        ("LH001", _) => Error::UnknownKind(job.kind.clone()),
        ("LH002", _) => Error::QueueFull {
            queue: job
                .queue
                .clone()
                .unwrap_or_else(|| format!("of {}", job.kind)),
            limit: digits(said.message()),
        },
        ("LH003", Some(id)) => Error::IdTaken(id.clone()),
        ("LH004", _) => Error::Internal(said.message().to_owned()),
        _ => store_error(error),
    }
}

/// The number in what was said.
fn digits(said: &str) -> u64 {
    said.split(' ')
        .find_map(|word| word.parse().ok())
        .unwrap_or_default()
}
