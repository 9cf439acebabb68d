//! Due jobs for a worker.
//!
//! Invariant: a job is claimed along [`next`], gets a claim number higher than every one before, and is held by one
//! worker. What is not due is in an index of its own, so that it never slows a claim.

use longhaul_types::{ItemCounts, JobError, Labels, Progress, State, Timestamp};
use rusqlite::OptionalExtension;

use super::{
    error::Fault,
    row,
    statements::Sql,
    tx::{Place, Tx},
};
use crate::{
    model::{Change, Job, Seq, Standing, Status, WorkerId, next},
    store::{ClaimRequest, Claimed, Error},
};

/// Jobs that become ready in one claim at most: a crowd that is due at once is let in bit by bit.
const PROMOTED: i64 = 10_000;

/// Gives due jobs to a worker.
pub(super) fn claim(tx: &mut Tx<'_>, request: &ClaimRequest) -> Result<Vec<Claimed>, Fault> {
    let Some(worker) = living(tx, &request.worker, request.now)? else {
        return Ok(Vec::new());
    };
    promote(tx, request.now)?;
    let mut kinds = Vec::with_capacity(request.kinds.len());
    for name in &request.kinds {
        if let Some(id) = tx.find_name(name)? {
            kinds.push((id, name.as_str()));
        }
    }
    let mut claimed = Vec::new();
    for (queue_name, slots) in &request.slots {
        let Some(queue) = tx.find_name(queue_name)? else {
            continue;
        };
        for candidate in candidates(tx, queue, &kinds, *slots, request.now)? {
            let taken = Taken {
                queue,
                queue_name,
                worker,
                worker_name: &request.worker,
                now: request.now,
            };
            claimed.push(take(tx, &taken, &candidate)?);
        }
    }
    Ok(claimed)
}

/// The number of a worker, if it has joined and its lease has not ended.
pub(super) fn living(
    tx: &mut Tx<'_>,
    worker: &WorkerId,
    now: Timestamp,
) -> Result<Option<i64>, Fault> {
    let found = tx
        .sql
        .get(Sql::WorkerFind)?
        .query_row([worker.as_str()], |row| {
            Ok((row.get(0)?, row::maybe_time(row, 2)?))
        })
        .optional()?;
    Ok(match found {
        Some((id, lease_end)) if lease_end.is_none_or(|end| end > now) => Some(id),
        _ => None,
    })
}

/// Makes waiting jobs whose time has come ready.
fn promote(tx: &mut Tx<'_>, now: Timestamp) -> Result<(), Fault> {
    let first: Option<i64> = tx
        .sql
        .get(Sql::DueFirst)?
        .query_row([], |row| row.get(0))
        .optional()?;
    if first.is_some_and(|first| first <= now.0) {
        tx.sql.get(Sql::Promote)?.execute((now.0, PROMOTED))?;
    }
    Ok(())
}

struct Candidate<'k> {
    seq: Seq,
    priority: i16,
    kind: i64,
    kind_name: &'k str,
}

/// The ready jobs of a queue to claim: highest priority first, then oldest. The index has the kinds apart, so that
/// jobs of kinds that this worker does not run cost nothing; their heads are merged here.
fn candidates<'k>(
    tx: &mut Tx<'_>,
    queue: i64,
    kinds: &[(i64, &'k str)],
    slots: u32,
    now: Timestamp,
) -> Result<Vec<Candidate<'k>>, Fault> {
    let mut found = Vec::new();
    if slots == 0 {
        return Ok(found);
    }
    let mut sources = 0;
    let statement = tx.sql.get(Sql::Ready)?;
    for (kind, kind_name) in kinds {
        let before = found.len();
        let mut rows = statement.query((queue, kind, slots, now.0))?;
        while let Some(row) = rows.next()? {
            found.push(Candidate {
                seq: row.get(0)?,
                priority: row.get(1)?,
                kind: *kind,
                kind_name,
            });
        }
        sources += usize::from(found.len() > before);
    }
    if sources > 1 {
        found.sort_unstable_by_key(|candidate| (-i32::from(candidate.priority), candidate.seq));
        found.truncate(usize::try_from(slots).unwrap_or(usize::MAX));
    }
    Ok(found)
}

struct Taken<'r> {
    queue: i64,
    queue_name: &'r str,
    worker: i64,
    worker_name: &'r WorkerId,
    now: Timestamp,
}

/// What `claim_read.sql` says.
struct Found {
    owner: i64,
    job: Job,
    args_version: u32,
    args: String,
}

fn take(tx: &mut Tx<'_>, taken: &Taken<'_>, candidate: &Candidate<'_>) -> Result<Claimed, Fault> {
    let found = tx
        .sql
        .get(Sql::ClaimRead)?
        .query_row([candidate.seq], |row| read(row, taken, candidate))?;
    let Found {
        owner,
        mut job,
        args_version,
        args,
    } = found;
    next(Standing::of(State::Pending), Change::Claim)
        .map_err(|illegal| Error::Internal(illegal.to_string()))?;
    tx.sql
        .get(Sql::ClaimWrite)?
        .execute((job.seq, taken.worker, taken.now.0))?;
    let place = Place {
        owner,
        kind: candidate.kind,
        queue: taken.queue,
    };
    tx.moved(place, State::Pending, State::Running);
    job.owner = tx.name(owner)?;
    // A job that never ran has left nothing.
    let mut checkpoint = None;
    if job.claim > 1 {
        checkpoint = tx
            .sql
            .get(Sql::CheckpointRead)?
            .query_row([job.seq], |row| row.get(0))
            .optional()?;
        if let Some(progress) = tx
            .sql
            .get(Sql::ProgressRead)?
            .query_row([job.seq], |row| row::progress(row, 0))
            .optional()?
        {
            job.progress = progress;
        }
    }
    Ok(Claimed {
        job,
        args_version,
        args,
        checkpoint,
    })
}

/// The job as it is once claimed; owner and progress still missing.
fn read(
    row: &rusqlite::Row<'_>,
    taken: &Taken<'_>,
    candidate: &Candidate<'_>,
) -> rusqlite::Result<Found> {
    let error: Option<JobError> = row::error(row, 11)?;
    let items: ItemCounts = row::item_counts(row, 8)?;
    let labels: Labels = row::labels(row, 19)?;
    Ok(Found {
        owner: row.get(1)?,
        args_version: row.get(17)?,
        args: row.get(18)?,
        job: Job {
            seq: candidate.seq,
            id: row::id(row, 0)?,
            owner: String::new(),
            kind: candidate.kind_name.to_owned(),
            queue: taken.queue_name.to_owned(),
            priority: candidate.priority,
            status: Status::Running {
                worker: taken.worker_name.clone(),
                since: taken.now,
                cancel_requested: None,
            },
            claim: row::unsigned(row, 2)? + 1,
            attempts: row.get(3)?,
            max_attempts: row.get(4)?,
            rescues: row.get(5)?,
            attempt_timeout: row::maybe_span(row, 6)?,
            timeout: row::maybe_span(row, 7)?,
            items,
            error,
            created_at: row::time(row, 13)?,
            started_at: Some(row::maybe_time(row, 14)?.unwrap_or(taken.now)),
            unique_key: row.get(15)?,
            labels,
            progress: Progress::default(),
            revision: row::unsigned(row, 16)? + 1,
        },
    })
}
