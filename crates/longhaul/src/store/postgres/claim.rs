//! Due jobs for a worker.
//!
//! Invariant: a job is claimed along [`next`], gets a claim number higher than every one before, and is held by one worker,
//! whose row can not go meanwhile; of a paused queue nothing is.

use std::collections::HashMap;
use std::{cmp::Reverse, collections::BTreeMap};

use longhaul_types::{Progress, State, Timestamp};
use tokio_postgres::Row;

use super::{Role, Shared, error::Fault, row, text::kept, tx::Tx};
use crate::{
    model::{Change, Job, Seq, Standing, Status, WorkerId, next},
    store::{ClaimRequest, Claimed, Error},
};

/// Jobs that become ready in one claim at most: a crowd that is due at once is let in bit by bit.
const PROMOTED: i64 = 10_000;

impl Shared {
    /// Gives due jobs to a worker, whose lease is looked at by `clock`, or by the database's own where it says nothing: in
    /// one statement, which is a transaction of its own.
    pub(super) async fn claim(
        &self,
        request: &ClaimRequest,
        clock: Option<i64>,
    ) -> Result<Vec<Claimed>, Error> {
        next(Standing::of(State::Pending), Change::Claim)
            .map_err(|illegal| Error::Internal(illegal.to_string()))?;
        let mut kinds = Vec::with_capacity(request.kinds.len());
        for name in &request.kinds {
            kinds.extend(self.find_name(name).await?);
        }
        let mut asked: Vec<(i32, u32)> = Vec::new();
        for (name, free) in request.slots.iter().filter(|(_, free)| *free > 0) {
            if let Some(queue) = self.find_name(name).await? {
                asked.push((queue, *free));
            }
        }
        if asked.is_empty() {
            return Ok(Vec::new());
        }
        // A queue may be named more than once; the statement takes each once.
        let mut free: BTreeMap<i32, i64> = BTreeMap::new();
        for (queue, slots) in &asked {
            *free.entry(*queue).or_default() += i64::from(*slots);
        }
        let (queues, slots): (Vec<i32>, Vec<i64>) = free.into_iter().unzip();
        let now = request.now.0;
        self.rows(sql!("promote"), &[&now, &PROMOTED]).await?;
        let name = kept(request.worker.as_str());
        let shard = self.shard_of(Role::Claim, 0);
        let rows = self
            .rows(
                sql!("claim"),
                &[&name, &clock, &queues, &slots, &kinds, &now, &shard],
            )
            .await?;
        let mut claimed = Vec::with_capacity(rows.len());
        for line in &rows {
            let queue: i32 = line.get(24);
            claimed.push((queue, self.claimed(line, request).await?));
        }
        claimed.sort_by_key(|(_, one)| (Reverse(one.job.priority), one.job.seq));
        let mut claimed = in_order(asked, claimed);
        self.left_behind(&mut claimed).await?;
        Ok(claimed)
    }

    /// A row of `claim.sql`; what earlier runs left is still missing.
    async fn claimed(&self, line: &Row, request: &ClaimRequest) -> Result<Claimed, Error> {
        let job = Job {
            seq: line.get(0),
            id: row::id(line, 1)?,
            owner: self.name(line.get(2)).await?,
            kind: self.name(line.get(3)).await?,
            queue: self.name(line.get(24)).await?,
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
    async fn left_behind(&self, claimed: &mut [Claimed]) -> Result<(), Error> {
        let again: Vec<Seq> = claimed
            .iter()
            .filter(|one| one.job.claim > 1)
            .map(|one| one.job.seq)
            .collect();
        if again.is_empty() {
            return Ok(());
        }
        let rows = self.rows(sql!("left_behind"), &[&again]).await?;
        let left: HashMap<Seq, &Row> = rows.iter().map(|line| (line.get(0), line)).collect();
        for one in claimed {
            if let Some(line) = left.get(&one.job.seq) {
                one.checkpoint = line.get(1);
                one.job.progress = row::json(line, 2)?;
            }
        }
        Ok(())
    }

    /// The number of a name, if it has one.
    async fn find_name(&self, name: &str) -> Result<Option<i32>, Error> {
        if let Some(number) = self.known.number(name) {
            return Ok(Some(number));
        }
        let found = self.row(sql!("name_find"), &[&kept(name)]).await?;
        let number = found.map(|line| line.get(0));
        if let Some(number) = number {
            self.known.note(name.to_owned(), number);
        }
        Ok(number)
    }

    /// The name with this number.
    async fn name(&self, number: i32) -> Result<String, Error> {
        if let Some(name) = self.known.text(number) {
            return Ok(name);
        }
        let found = self.row(sql!("names_text"), &[&vec![number]]).await?;
        let name = found.map(|line| row::text(&line, 1)).unwrap_or_default();
        self.known.note(name.clone(), number);
        Ok(name)
    }
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

/// What was claimed, in the order in which its queues were asked for.
fn in_order(asked: Vec<(i32, u32)>, mut claimed: Vec<(i32, Claimed)>) -> Vec<Claimed> {
    let mut ordered = Vec::with_capacity(claimed.len());
    for (queue, slots) in asked {
        let mut left = slots;
        let (taken, rest) = claimed.into_iter().partition(|(of, _)| {
            let takes = *of == queue && left > 0;
            left -= u32::from(takes);
            takes
        });
        claimed = rest;
        let taken: Vec<(i32, Claimed)> = taken;
        ordered.extend(taken.into_iter().map(|(_, one)| one));
    }
    ordered
}
