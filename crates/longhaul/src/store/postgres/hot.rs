//! The row of a job that lives: read and locked, changed as a value, and written back whole.
//!
//! Invariants: whoever changes a job has locked its row first; every change raises the revision; a job that ends goes from
//! `longhaul.live` to `longhaul.ended` in one transaction.

use longhaul_types::{JobError, Reason, State, Timestamp};
use tokio_postgres::Row;

use super::{
    error::Fault,
    follow, row,
    text::kept,
    tx::{Place, Tx},
};
use crate::{
    model::{AttemptEnd, Seq, Standing},
    store::Inserted,
};

/// Attempts of a job that are kept: the newest.
const ATTEMPTS: u64 = 1000;

/// Why a pending job is not claimed, as the schema numbers it.
pub(super) mod wait {
    /// It may be.
    pub(in super::super) const READY: i16 = 1;
    /// Its time has not come.
    pub(in super::super) const UNTIL: i16 = 2;
    /// Somebody must start it.
    pub(in super::super) const HELD: i16 = 3;
    /// Its worker keeps it between two checks.
    pub(in super::super) const PARKED: i16 = 4;
}

/// How a job waits that may run at `run_at`.
pub(super) fn wait_until(run_at: Option<Timestamp>, now: Timestamp) -> i16 {
    match run_at {
        None => wait::HELD,
        Some(at) if at > now => wait::UNTIL,
        Some(_) => wait::READY,
    }
}

/// A job that lives.
#[derive(Clone, Debug)]
pub(super) struct Hot {
    pub(super) seq: Seq,
    pub(super) place: Place,
    /// None of a running one.
    pub(super) wait: Option<i16>,
    pub(super) reason: Option<i16>,
    pub(super) followed: bool,
    pub(super) run_at: Option<i64>,
    pub(super) worker: Option<i64>,
    pub(super) since: Option<i64>,
    pub(super) claim: u64,
    pub(super) revision: u64,
    pub(super) started_at: Option<i64>,
    pub(super) deadline: Option<i64>,
    pub(super) cancel_requested: Option<i64>,
    pub(super) check_every: Option<i64>,
    pub(super) attempts: i64,
    pub(super) rescues: u32,
    pub(super) items: u32,
    pub(super) items_completed: u32,
    pub(super) items_failed: u32,
    pub(super) lines: u64,
    pub(super) error: Option<JobError>,
}

impl Hot {
    /// Running, or pending.
    pub(super) fn state(&self) -> State {
        if self.wait.is_none() {
            State::Running
        } else {
            State::Pending
        }
    }

    /// What the transition function must know.
    pub(super) fn standing(&self) -> Standing {
        Standing {
            state: self.state(),
            cancel_requested: self.cancel_requested.is_some(),
            failed_items: self.items_failed > 0,
        }
    }

    /// Makes the job wait, of no worker.
    pub(super) fn back(&mut self, reason: Reason, at: Timestamp, now: Timestamp) {
        self.wait = Some(wait_until(Some(at), now));
        self.reason = Some(row::reason_number(reason));
        self.run_at = Some(at.0);
        self.worker = None;
        self.since = None;
        self.cancel_requested = None;
    }
}

/// A row of `live_read.sql`.
fn hot(row: &Row) -> Hot {
    Hot {
        seq: row.get(0),
        place: Place {
            owner: row.get(1),
            kind: row.get(2),
            queue: row.get(3),
        },
        wait: row.get(5),
        reason: row.get(6),
        followed: row.get::<_, i32>(7) > 0,
        run_at: row.get(8),
        worker: row.get(9),
        since: row.get(10),
        claim: row::unsigned(row, 11),
        revision: row::unsigned(row, 12),
        started_at: row.get(13),
        deadline: row.get(15),
        cancel_requested: row.get(16),
        check_every: row.get(17),
        attempts: row.get(18),
        rescues: row::small(row, 19),
        items: row::small(row, 20),
        items_completed: row::small(row, 21),
        items_failed: row::small(row, 22),
        lines: row::unsigned(row, 23),
        error: row::error(row, 24),
    }
}

/// Reads and locks the row of a job; none when it has ended, or is not there.
pub(super) async fn lock(tx: &Tx<'_>, seq: Seq) -> Result<Option<Hot>, Fault> {
    let found = tx.row(sql!("live_read"), &[&seq]).await?;
    Ok(found.as_ref().map(hot))
}

/// Writes a job that goes on living, with a revision more.
pub(super) async fn save(tx: &Tx<'_>, job: &mut Hot) -> Result<(), Fault> {
    job.revision += 1;
    let (code, message) = error(job);
    tx.execute(
        sql!("live_write"),
        &[
            &job.seq,
            &job.wait,
            &job.reason,
            &job.run_at,
            &job.worker,
            &job.since,
            &row::signed(job.revision),
            &job.started_at,
            &job.deadline,
            &job.cancel_requested,
            &job.check_every,
            &job.attempts,
            &i64::from(job.rescues),
            &i64::from(job.items),
            &i64::from(job.items_completed),
            &i64::from(job.items_failed),
            &row::signed(job.lines),
            &code,
            &message,
        ],
    )
    .await?;
    Ok(())
}

/// Ends a job, with a revision more. What follows its end is [`follow_end`]'s.
pub(super) async fn end(
    tx: &mut Tx<'_>,
    job: &mut Hot,
    to: State,
    now: Timestamp,
) -> Result<(), Fault> {
    job.revision += 1;
    let from = job.state();
    let (code, message) = error(job);
    tx.execute(sql!("live_delete"), &[&job.seq]).await?;
    tx.execute(
        sql!("ended_insert"),
        &[
            &job.seq,
            &job.place.owner,
            &job.place.kind,
            &job.place.queue,
            &row::state_number(to),
            &now.0,
            &row::signed(job.claim),
            &row::signed(job.revision),
            &job.started_at,
            &job.attempts,
            &i64::from(job.rescues),
            &i64::from(job.items),
            &i64::from(job.items_completed),
            &i64::from(job.items_failed),
            &row::signed(job.lines),
            &code,
            &message,
        ],
    )
    .await?;
    tx.moved(job.place, from, to);
    Ok(())
}

/// Inserts what follows the end of a job that has just ended.
pub(super) async fn follow_end(tx: &mut Tx<'_>, job: &Hot) -> Result<Vec<Inserted>, Fault> {
    if job.followed {
        follow::insert(tx, job.seq).await
    } else {
        Ok(Vec::new())
    }
}

fn error(job: &Hot) -> (Option<String>, Option<String>) {
    match &job.error {
        Some(error) => (
            Some(kept(&error.code).into_owned()),
            Some(kept(&error.message).into_owned()),
        ),
        None => (None, None),
    }
}

/// Items that no run works on any more wait again.
pub(super) async fn stop_items(tx: &Tx<'_>, job: &Hot, now: Timestamp) -> Result<(), Fault> {
    if job.items > 0 {
        tx.execute(sql!("items_stop"), &[&job.seq, &now.0]).await?;
    }
    Ok(())
}

/// Notes how a run ended that did not complete its job; `job` is as the run left it.
pub(super) async fn note_attempt(
    tx: &Tx<'_>,
    job: &Hot,
    now: Timestamp,
    end: AttemptEnd,
    error: Option<&JobError>,
) -> Result<(), Fault> {
    let claim = row::signed(job.claim);
    tx.execute(
        sql!("attempt_write"),
        &[
            &job.seq,
            &claim,
            &job.worker,
            &job.since,
            &now.0,
            &row::attempt_number(end),
            &error.map(|error| kept(&error.code)),
            &error.map(|error| kept(&error.message)),
        ],
    )
    .await?;
    if job.claim > ATTEMPTS {
        let last = row::signed(job.claim - ATTEMPTS);
        tx.execute(sql!("attempts_trim"), &[&job.seq, &last])
            .await?;
    }
    Ok(())
}
