//! Due jobs for a worker.
//!
//! Invariant: a job is claimed along [`next`], gets a claim number higher than every one before, and is held by one worker,
//! whose row can not go meanwhile; of a paused queue nothing is.

use std::cmp::Reverse;
use std::collections::HashMap;

use longhaul_types::{Progress, State, Timestamp};
use tokio_postgres::Row;

use super::{
    error::Fault,
    row,
    text::kept,
    tx::{Place, Tx},
};
use crate::{
    model::{Change, Job, Seq, Standing, Status, WorkerId, next},
    store::{ClaimRequest, Claimed, Error},
};

/// Jobs that become ready in one claim at most: a crowd that is due at once is let in bit by bit.
const PROMOTED: i64 = 10_000;

/// Gives due jobs to a worker, whose lease is looked at by `clock`, or by the database's own where it says nothing.
pub(super) async fn claim(
    tx: &mut Tx<'_>,
    request: &ClaimRequest,
    clock: Option<i64>,
) -> Result<Vec<Claimed>, Fault> {
    next(Standing::of(State::Pending), Change::Claim)
        .map_err(|illegal| Error::Internal(illegal.to_string()))?;
    let Some(worker) = living(tx, &request.worker, clock).await? else {
        return Ok(Vec::new());
    };
    let now = request.now.0;
    tx.execute(sql!("promote"), &[&now, &PROMOTED]).await?;
    let mut kinds = Vec::with_capacity(request.kinds.len());
    for name in &request.kinds {
        kinds.extend(tx.find_name(name).await?);
    }
    let mut claimed = Vec::new();
    for (name, slots) in &request.slots {
        let Some(queue) = tx.find_name(name).await? else {
            continue;
        };
        let slots = i64::from(*slots);
        if slots == 0 {
            continue;
        }
        let rows = tx
            .rows(sql!("claim"), &[&queue, &kinds, &slots, &now, &worker])
            .await?;
        let mut some = Vec::with_capacity(rows.len());
        for line in &rows {
            some.push(read(tx, line, queue, request).await?);
        }
        some.sort_by_key(|one| (Reverse(one.job.priority), one.job.seq));
        claimed.extend(some);
    }
    left_behind(tx, &mut claimed).await?;
    Ok(claimed)
}

/// The number of a worker, if it has joined and its lease has not ended.
pub(super) async fn living(
    tx: &Tx<'_>,
    worker: &WorkerId,
    clock: Option<i64>,
) -> Result<Option<i64>, Fault> {
    let found = tx
        .row(sql!("worker_find"), &[&kept(worker.as_str()), &clock])
        .await?;
    Ok(found.map(|line| line.get(0)))
}

/// A row of `claim.sql`; what earlier runs left is still missing.
async fn read(
    tx: &mut Tx<'_>,
    line: &Row,
    queue: i32,
    request: &ClaimRequest,
) -> Result<Claimed, Fault> {
    let place = Place {
        owner: line.get(2),
        kind: line.get(3),
        queue,
    };
    tx.moved(place, State::Pending, State::Running);
    let job = Job {
        seq: line.get(0),
        id: row::id(line, 1)?,
        owner: tx.name(place.owner).await?,
        kind: tx.name(place.kind).await?,
        queue: tx.name(queue).await?,
        priority: line.get(4),
        status: Status::Running {
            worker: request.worker.clone(),
            since: request.now,
            cancel_requested: None,
        },
        claim: row::unsigned(line, 5),
        attempts: row::small(line, 15),
        max_attempts: row::small(line, 6),
        rescues: row::small(line, 16),
        attempt_timeout: row::maybe_span(line, 7),
        timeout: row::maybe_span(line, 8),
        items: row::item_counts(line, 18),
        error: row::error(line, 21),
        created_at: row::time(line, 9),
        started_at: row::maybe_time(line, 17),
        unique_key: row::maybe_text(line, 10),
        revision: row::unsigned(line, 11),
        labels: row::labels(line, 14)?,
        progress: Progress::default(),
    };
    Ok(Claimed {
        job,
        due: Timestamp(line.get(23)),
        args_version: row::small(line, 12),
        args: line.get(13),
        checkpoint: None,
    })
}

/// Checkpoint and progress of earlier runs.
async fn left_behind(tx: &Tx<'_>, claimed: &mut [Claimed]) -> Result<(), Fault> {
    let again: Vec<Seq> = claimed
        .iter()
        .filter(|one| one.job.claim > 1)
        .map(|one| one.job.seq)
        .collect();
    if again.is_empty() {
        return Ok(());
    }
    let rows = tx.rows(sql!("left_behind"), &[&again]).await?;
    let left: HashMap<Seq, &Row> = rows.iter().map(|line| (line.get(0), line)).collect();
    for one in claimed {
        if let Some(line) = left.get(&one.job.seq) {
            one.checkpoint = line.get(1);
            one.job.progress = row::json(line, 2)?;
        }
    }
    Ok(())
}
