//! How runs end: one change of state, and what goes with it.
//!
//! Invariant: the state after an end is what [`crate::model::next`] says of the state before.

use longhaul_types::{JobError, Reason, State, Timestamp};

use super::{error::Fault, insert::wait_until, row, statements::Sql, tx::Tx, write::Held};
use crate::{
    model::{AttemptEnd, Seq, Standing},
    store::{End, Error, Write},
};

/// Attempts of a job that are kept: the newest.
const ATTEMPTS: u64 = 1000;

/// The state after `end`.
pub(super) fn target(end: &End, standing: Standing) -> Result<State, Fault> {
    let illegal = |illegal: crate::model::Illegal| Error::Internal(illegal.to_string());
    Ok(end.target(standing).map_err(illegal)?)
}

/// Ends the run of `held`, which becomes `to`.
pub(super) fn apply(
    tx: &mut Tx<'_>,
    write: &Write,
    held: &Held,
    end: &End,
    to: State,
) -> Result<(), Fault> {
    let job = write.claim.job;
    let now = write.now;
    match (to, end) {
        (State::Completed, End::Complete { result }) => {
            let sweep_at = now.0.saturating_add(tx.sweep_after(held.place.kind)?);
            tx.sql.get(Sql::Complete)?.execute((job, now.0, sweep_at))?;
            if let Some(result) = result {
                tx.sql.get(Sql::ResultWrite)?.execute((job, result))?;
            }
        }
        (State::Pending, End::CheckAgain { at, every }) => {
            tx.sql
                .get(Sql::Park)?
                .execute((job, at.0, row::millis(*every)))?;
        }
        (State::Pending, End::CheckLater { at }) => {
            let wait = wait_until(Some(*at), now);
            tx.sql.get(Sql::CheckLater)?.execute((job, wait, at.0))?;
        }
        (State::Pending, End::Release { at }) => {
            back(tx, job, Reason::Released, *at, now, None)?;
            attempt(tx, write, held, AttemptEnd::Released, None)?;
        }
        (State::Pending, End::Retry { at, error }) => {
            back(tx, job, Reason::Retry, *at, now, Some(error))?;
            attempt(tx, write, held, AttemptEnd::Failed, Some(error))?;
        }
        (State::Failed, End::Fail { error }) => {
            let ended = Ended {
                state: to,
                kind: held.place.kind,
                at: now,
                error: Some(error),
                spent: true,
            };
            end_row(tx, job, &ended)?;
            attempt(tx, write, held, AttemptEnd::Failed, Some(error))?;
        }
        _ => {
            let ended = Ended {
                state: to,
                kind: held.place.kind,
                at: now,
                error: None,
                spent: false,
            };
            end_row(tx, job, &ended)?;
            attempt(tx, write, held, AttemptEnd::Cancelled, None)?;
        }
    }
    if held.items > 0 {
        tx.sql.get(Sql::ItemsStop)?.execute((job, now.0))?;
    }
    tx.moved(held.place, held.state, to);
    Ok(())
}

/// Makes a job pending again, of no worker.
fn back(
    tx: &mut Tx<'_>,
    job: Seq,
    reason: Reason,
    at: Timestamp,
    now: Timestamp,
    error: Option<&JobError>,
) -> Result<(), Fault> {
    tx.sql.get(Sql::Back)?.execute((
        job,
        wait_until(Some(at), now),
        row::reason_number(reason),
        at.0,
        error.is_some(),
        error.map(|error| &error.code),
        error.map(|error| &error.message),
    ))?;
    Ok(())
}

/// How a row ends otherwise than by completing.
#[derive(Clone, Copy, Debug)]
pub(super) struct Ended<'e> {
    /// Failed or cancelled.
    pub(super) state: State,
    /// The job's kind.
    pub(super) kind: i64,
    /// When.
    pub(super) at: Timestamp,
    /// Why, when it failed.
    pub(super) error: Option<&'e JobError>,
    /// Whether that spent an attempt.
    pub(super) spent: bool,
}

/// Ends a job otherwise than by completing it.
pub(super) fn end_row(tx: &mut Tx<'_>, job: Seq, ended: &Ended<'_>) -> Result<(), Fault> {
    let sweep_at = ended.at.0.saturating_add(tx.sweep_after(ended.kind)?);
    tx.sql.get(Sql::End)?.execute((
        job,
        row::state_number(ended.state),
        ended.at.0,
        sweep_at,
        ended.spent,
        ended.error.map(|error| &error.code),
        ended.error.map(|error| &error.message),
    ))?;
    Ok(())
}

fn attempt(
    tx: &mut Tx<'_>,
    write: &Write,
    held: &Held,
    end: AttemptEnd,
    error: Option<&JobError>,
) -> Result<(), Fault> {
    let run = Run {
        job: write.claim.job,
        claim: write.claim.number,
        worker: held.worker,
        since: held.since,
    };
    note_attempt(tx, &run, write.now, end, error)
}

/// A run that ended without completing its job.
#[derive(Clone, Copy, Debug)]
pub(super) struct Run {
    /// The job.
    pub(super) job: Seq,
    /// Its claim number.
    pub(super) claim: u64,
    /// Number of its worker.
    pub(super) worker: i64,
    /// When it began.
    pub(super) since: i64,
}

/// Notes how a run ended.
pub(super) fn note_attempt(
    tx: &mut Tx<'_>,
    run: &Run,
    now: Timestamp,
    end: AttemptEnd,
    error: Option<&JobError>,
) -> Result<(), Fault> {
    let worker: String = tx
        .sql
        .get(Sql::WorkerName)?
        .query_row([run.worker], |row| row.get(0))?;
    tx.sql.get(Sql::AttemptWrite)?.execute((
        run.job,
        row::signed(run.claim),
        worker,
        run.since,
        now.0,
        row::attempt_number(end),
        error.map(|error| &error.code),
        error.map(|error| &error.message),
    ))?;
    if run.claim > ATTEMPTS {
        let last = row::signed(run.claim - ATTEMPTS);
        tx.sql.get(Sql::AttemptsTrim)?.execute((run.job, last))?;
    }
    Ok(())
}
