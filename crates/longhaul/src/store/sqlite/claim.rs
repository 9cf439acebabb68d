//! Due jobs for a worker.
//!
//! Invariant: a job is claimed along [`next`], gets a claim number higher than every one before, and is held by one
//! worker; of a paused queue nothing is. What is not due is in an index of its own, so that it never slows a claim.

use longhaul_types::{ItemCounts, Progress, State, Timestamp};
use rusqlite::OptionalExtension;

use super::{
    error::Fault,
    row,
    statements::{Sql, array, range},
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
        if tx.is_paused(queue)? {
            continue;
        }
        let seqs = candidates(tx, queue, &kinds, *slots, request.now)?;
        let taken = Taken {
            queue,
            queue_name,
            kinds: &kinds,
            worker,
            request,
        };
        take(tx, &taken, &seqs, &mut claimed)?;
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

/// The ready jobs of a queue to claim: highest priority first, then oldest. The index has the kinds apart, so that
/// jobs of kinds that this worker does not run cost nothing; their heads are merged here.
fn candidates(
    tx: &mut Tx<'_>,
    queue: i64,
    kinds: &[(i64, &str)],
    slots: u32,
    now: Timestamp,
) -> Result<Vec<Seq>, Fault> {
    let mut found: Vec<(i64, Seq)> = Vec::new();
    if slots == 0 {
        return Ok(Vec::new());
    }
    let mut sources = 0;
    let statement = tx.sql.get(Sql::Ready)?;
    for (kind, _) in kinds {
        let before = found.len();
        let mut rows = statement.query((queue, kind, slots, now.0))?;
        while let Some(row) = rows.next()? {
            let priority: i64 = row.get(1)?;
            found.push((-priority, row.get(0)?));
        }
        sources += usize::from(found.len() > before);
    }
    if sources > 1 {
        found.sort_unstable();
        found.truncate(usize::try_from(slots).unwrap_or(usize::MAX));
    }
    Ok(found.into_iter().map(|(_, seq)| seq).collect())
}

/// Whom jobs are given to, and from where.
struct Taken<'r> {
    queue: i64,
    queue_name: &'r str,
    kinds: &'r [(i64, &'r str)],
    worker: i64,
    request: &'r ClaimRequest,
}

/// Gives these jobs, in this order.
fn take(
    tx: &mut Tx<'_>,
    taken: &Taken<'_>,
    seqs: &[Seq],
    claimed: &mut Vec<Claimed>,
) -> Result<(), Fault> {
    if seqs.is_empty() {
        return Ok(());
    }
    next(Standing::of(State::Pending), Change::Claim)
        .map_err(|illegal| Error::Internal(illegal.to_string()))?;
    let numbers = array(seqs.iter().copied());
    let first = claimed.len();
    claimed.reserve(seqs.len());
    let mut places = Vec::with_capacity(seqs.len());
    let mut rows = tx.sql.get(Sql::ClaimRead)?.query([&numbers])?;
    while let Some(row) = rows.next()? {
        places.push(Place {
            owner: row.get(2)?,
            kind: row.get(3)?,
            queue: taken.queue,
        });
        claimed.push(read(row, taken)?);
    }
    drop(rows);
    let (worker, now) = (taken.worker, taken.request.now.0);
    match range(seqs) {
        Some((first, last)) => {
            let statement = tx.sql.get(Sql::ClaimRange)?;
            statement.execute((first, last, worker, now))?
        }
        None => tx
            .sql
            .get(Sql::ClaimWrite)?
            .execute((&numbers, worker, now))?,
    };
    for (one, place) in claimed[first..].iter_mut().zip(places) {
        tx.moved(place, State::Pending, State::Running);
        one.job.owner = tx.name(place.owner)?;
        // A job that never ran has left nothing.
        if one.job.claim > 1 {
            left_behind(tx, one)?;
        }
    }
    Ok(())
}

/// Checkpoint and progress of earlier runs.
fn left_behind(tx: &mut Tx<'_>, one: &mut Claimed) -> rusqlite::Result<()> {
    let seq = one.job.seq;
    let checkpoint = tx.sql.get(Sql::CheckpointRead)?;
    one.checkpoint = checkpoint.query_row([seq], |row| row.get(0)).optional()?;
    let progress = tx.sql.get(Sql::ProgressRead)?;
    if let Some(progress) = progress
        .query_row([seq], |row| row::progress(row, 0))
        .optional()?
    {
        one.job.progress = progress;
    }
    Ok(())
}

/// A row of `claim_read.sql` as the job is once claimed; what earlier runs left still missing, as is the owner's name.
fn read(row: &rusqlite::Row<'_>, taken: &Taken<'_>) -> rusqlite::Result<Claimed> {
    let kind: i64 = row.get(3)?;
    let now = taken.request.now;
    let name = taken.kinds.iter().find(|(id, _)| *id == kind);
    let claim = row::unsigned(row, 5)?;
    let mut job = Job {
        seq: row.get(0)?,
        id: row::id(row, 1)?,
        owner: String::new(),
        kind: name.map_or_else(String::new, |(_, name)| (*name).to_owned()),
        queue: taken.queue_name.to_owned(),
        priority: row.get(4)?,
        status: Status::Running {
            worker: taken.request.worker.clone(),
            since: now,
            cancel_requested: None,
        },
        claim: claim + 1,
        attempts: 0,
        max_attempts: row.get(6)?,
        rescues: 0,
        attempt_timeout: row::maybe_span(row, 7)?,
        timeout: row::maybe_span(row, 8)?,
        items: ItemCounts::default(),
        error: None,
        created_at: row::time(row, 9)?,
        started_at: Some(now),
        unique_key: row.get(10)?,
        revision: row::unsigned(row, 11)? + 1,
        labels: row::labels(row, 14)?,
        progress: Progress::default(),
    };
    // The rest is as it began for a job that never ran.
    if claim > 0 {
        job.attempts = row.get(15)?;
        job.rescues = row.get(16)?;
        job.started_at = Some(row::maybe_time(row, 17)?.unwrap_or(now));
        job.items = row::item_counts(row, 18)?;
        job.error = row::error(row, 21)?;
    }
    Ok(Claimed {
        job,
        due: row::time(row, 23)?,
        args_version: row.get(12)?,
        args: row.get(13)?,
        checkpoint: None,
    })
}
