//! Submission in the caller's own transaction, on the caller's own connection.
//!
//! The view `longhaul_submit` does the work, so that any driver of any language can do the same with one `INSERT`:
//!
//! ```sql
//! INSERT INTO longhaul_submit (kind, args) VALUES ('system.verb', '{"json": true}')
//! ```
//!
//! Invariant: what the view takes is a job as whole as one that came through the engine: named, counted, labelled.

use longhaul_types::{JobId, Timestamp};
use rusqlite::{Connection, OptionalExtension, params};

use super::{row, statements::Sql};
use crate::{
    model::{NewJob, Start},
    store::Error,
};

/// Submits a job on `connection`, within its transaction if it has one: the job is there if that commits. Answers with its
/// id, or with that of the living job that has its unique key.
///
/// The engine on this file notices within 250 ms, or at once by [`crate::Engine::wake`]. Not across `ATTACH`.
///
/// # Errors
/// [`Error::IdTaken`], [`Error::UnknownKind`], [`Error::QueueFull`] as at any submission; [`Error::Internal`] with what
/// SQLite said, also for an `idempotency_key`, which the caller's own transaction makes needless, and for follow-ups, of
/// which the view knows nothing.
pub fn submit_in(connection: &Connection, job: &NewJob) -> Result<JobId, Error> {
    job.fits_callers_transaction()
        .map_err(|why| Error::Internal(why.to_owned()))?;
    let id = match &job.id {
        Some(id) => id.clone(),
        None => new_id()?,
    };
    let now = Timestamp::now();
    let (run_at, held) = match job.start {
        Start::Now => (None, false),
        Start::At(time) => (Some(time.0), false),
        Start::After(wait) => (Some((now + wait).0), false),
        Start::Held => (None, true),
    };
    let labels = (!job.labels.is_empty())
        .then(|| serde_json::to_string(&job.labels))
        .transpose()
        .map_err(|error| Error::Internal(error.to_string()))?;
    let span = |span: Option<std::time::Duration>| {
        span.map(|span| i64::try_from(span.as_millis()).unwrap_or(i64::MAX))
    };
    connection
        .prepare_cached(Sql::Submit.text())
        .and_then(|mut submit| {
            submit.execute(params![
                job.kind,
                job.args,
                job.args_version,
                id.as_str(),
                job.owner,
                job.queue,
                job.priority,
                labels,
                run_at,
                held,
                job.unique_key,
                job.max_attempts,
                span(job.attempt_timeout),
                span(job.timeout),
            ])
        })
        .map_err(|error| refused(connection, &error, job, &id))?;
    match &job.unique_key {
        None => Ok(id),
        Some(key) => holder(connection, job, key).map(|holder| holder.unwrap_or(id)),
    }
}

/// The living job that has a unique key.
fn holder(connection: &Connection, job: &NewJob, key: &str) -> Result<Option<JobId>, Error> {
    let text: Option<String> = connection
        .prepare_cached(Sql::Submitted.text())
        .and_then(|mut found| {
            found
                .query_row(params![job.owner, job.kind, key], |row| row.get(0))
                .optional()
        })
        .map_err(|error| Error::Internal(error.to_string()))?;
    text.map(JobId::try_from)
        .transpose()
        .map_err(|error| Error::Internal(error.to_string()))
}

/// What the view's refusal means.
fn refused(connection: &Connection, error: &rusqlite::Error, job: &NewJob, id: &JobId) -> Error {
    let text = error.to_string();
    if text.contains("longhaul_jobs.id") {
        return Error::IdTaken(id.clone());
    }
    if text.contains("has ever declared this kind") {
        return Error::UnknownKind(job.kind.clone());
    }
    if text.contains("as many pending jobs as it may") {
        let limit = connection
            .prepare_cached(Sql::SettingRead.text())
            .and_then(|mut read| read.query_row(["queue_depth"], |row| row::unsigned(row, 0)));
        let of_kind = || format!("of {}", job.kind);
        return Error::QueueFull {
            queue: job.queue.clone().unwrap_or_else(of_kind),
            limit: limit.unwrap_or_default(),
        };
    }
    Error::Internal(text)
}

fn new_id() -> Result<JobId, Error> {
    JobId::try_from(uuid::Uuid::now_v7().to_string())
        .map_err(|error| Error::Internal(error.to_string()))
}
