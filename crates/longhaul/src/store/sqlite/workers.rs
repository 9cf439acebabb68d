//! Workers and time: leases, rescue from the dead, deadlines, and when something is next to be done.
//!
//! Invariant: a worker that has ended or lapsed never comes back; under its old name it is another worker.

use std::time::Duration;

use longhaul_types::{ErrorCode, JobError, Reason, State, Timestamp};
use rusqlite::{Connection, OptionalExtension};

use super::{
    claim::living,
    end::{Ended, Run, end_row, note_attempt},
    error::Fault,
    follow,
    insert::wait,
    row,
    statements::Sql,
    tx::{Place, Standpoint, Tx},
};
use crate::{
    model::{AttemptEnd, Change, Job, Seq, Standing, WorkerId, next, spread},
    store::{Error, Heartbeat, Member},
};

/// Jobs whose deadlines are looked at in one go.
const EXPIRED: i64 = 10_000;

/// A worker begins its life; without a lease it ends those of all others without one.
pub(super) fn join(
    tx: &mut Tx<'_>,
    worker: &WorkerId,
    lease: Option<Duration>,
    now: Timestamp,
) -> Result<(), Fault> {
    if lease.is_none() {
        tx.sql
            .get(Sql::WorkersSupersede)?
            .execute([worker.as_str()])?;
    }
    tx.sql.get(Sql::WorkersLapse)?.execute([now.0])?;
    let lease_end = lease.map(|lease| (now + lease).0);
    let lease = lease.map(row::millis);
    match living(tx, worker, now)? {
        Some(id) => tx
            .sql
            .get(Sql::WorkerLease)?
            .execute((id, lease, lease_end))?,
        None => tx
            .sql
            .get(Sql::WorkerAdd)?
            .execute((worker.as_str(), lease, lease_end, now.0))?,
    };
    Ok(())
}

/// Notes what a worker says of itself.
pub(super) fn introduce(tx: &mut Tx<'_>, worker: &WorkerId, about: &str) -> Result<(), Fault> {
    tx.sql
        .get(Sql::WorkerAbout)?
        .execute((worker.as_str(), about))?;
    Ok(())
}

/// Gives each lease a whole period from now on.
pub(super) fn extend_leases(tx: &mut Tx<'_>, now: Timestamp) -> Result<(), Fault> {
    tx.sql.get(Sql::WorkersExtend)?.execute([now.0])?;
    Ok(())
}

/// The workers that live, each with `jobs` of the jobs that it holds.
pub(super) fn members(db: &Connection, jobs: usize) -> rusqlite::Result<Vec<Member>> {
    let mut workers = db.prepare_cached(Sql::Workers.text())?;
    let found = workers.query_map([], |row| {
        let lease = row::maybe_span(row, 4)?.zip(row::maybe_time(row, 5)?);
        let member = Member {
            worker: WorkerId::named(row.get::<_, String>(1)?),
            about: row.get(2)?,
            joined_at: row::maybe_time(row, 3)?,
            lease,
            holds: row::unsigned(row, 6)?,
            jobs: Vec::new(),
        };
        Ok((row.get(0)?, member))
    })?;
    let mut found = found.collect::<rusqlite::Result<Vec<(i64, Member)>>>()?;
    let mut holds = db.prepare_cached(Sql::WorkerHolds.text())?;
    for (worker, member) in &mut found {
        for state in [State::Running, State::Pending] {
            let left = i64::try_from(jobs - member.jobs.len()).unwrap_or(i64::MAX);
            let parameters = (row::state_number(state), *worker, left);
            for id in holds.query_map(parameters, |row| row::id(row, 0))? {
                member.jobs.push(id?);
            }
        }
    }
    Ok(found.into_iter().map(|(_, member)| member).collect())
}

/// A worker ends its life. Its row stays until its jobs are rescued.
pub(super) fn leave(tx: &mut Tx<'_>, worker: &WorkerId) -> Result<(), Fault> {
    tx.sql.get(Sql::WorkerEnd)?.execute([worker.as_str()])?;
    Ok(())
}

/// Renews a worker's lease and reads which of its jobs are to be cancelled.
pub(super) fn heartbeat(
    tx: &mut Tx<'_>,
    worker: &WorkerId,
    now: Timestamp,
) -> Result<Heartbeat, Fault> {
    let Some(id) = living(tx, worker, now)? else {
        return Ok(Heartbeat::default());
    };
    tx.sql.get(Sql::WorkerRenew)?.execute((id, now.0))?;
    let statement = tx.sql.get(Sql::WorkerCancelled)?;
    let cancelled: rusqlite::Result<Vec<Seq>> =
        statement.query_map([id], |row| row.get(0))?.collect();
    Ok(Heartbeat {
        held: true,
        cancelled: cancelled?,
    })
}

/// Gives back the jobs of dead workers.
pub(super) fn rescue(tx: &mut Tx<'_>, now: Timestamp) -> Result<Vec<Job>, Fault> {
    tx.sql.get(Sql::WorkersLapse)?.execute([now.0])?;
    let dead = column(tx, Sql::WorkersDead, [])?;
    let mut seqs = Vec::new();
    for worker in &dead {
        for state in [State::Pending, State::Running] {
            seqs.extend(column(
                tx,
                Sql::WorkerJobs,
                (row::state_number(state), worker),
            )?);
        }
    }
    seqs.sort_unstable();
    for seq in &seqs {
        rescue_one(tx, *seq, now)?;
    }
    for worker in dead {
        tx.sql.get(Sql::WorkerDelete)?.execute([worker])?;
    }
    jobs(tx, &seqs)
}

struct Lost {
    place: Place,
    standing: Standing,
    run: Run,
    rescues: u32,
    check_every: Option<Duration>,
    followed: bool,
}

fn rescue_one(tx: &mut Tx<'_>, seq: Seq, now: Timestamp) -> Result<(), Fault> {
    let lost = tx.sql.get(Sql::RescueRead)?.query_row([seq], |row| {
        Ok(Lost {
            place: Place {
                owner: row.get(0)?,
                kind: row.get(1)?,
                queue: row.get(2)?,
            },
            standing: Standing {
                state: row::state(row, 3)?,
                cancel_requested: row.get(7)?,
                failed_items: false,
            },
            run: Run {
                job: seq,
                claim: row::unsigned(row, 4)?,
                worker: row.get(5)?,
                since: row.get(6)?,
            },
            rescues: row.get(8)?,
            check_every: row::maybe_span(row, 9)?,
            followed: row.get::<_, u32>(10)? > 0,
        })
    })?;
    if lost.standing.state == State::Pending {
        // Parked between two checks: nothing was running, so nothing is counted.
        tx.sql.get(Sql::ItemsStop)?.execute((seq, now.0))?;
        let at = now + spread(seq, lost.check_every.unwrap_or_default());
        let wait = if at > now { wait::UNTIL } else { wait::READY };
        tx.sql.get(Sql::Unpark)?.execute((seq, wait, at.0))?;
        return Ok(());
    }
    let before = lost.rescues;
    let to = next(lost.standing, Change::Rescue { before })
        .map_err(|illegal| Error::Internal(illegal.to_string()))?;
    let error = (to == State::Failed).then(|| {
        let deaths = before + 1;
        let message = format!("{deaths} workers in a row died while they ran this job");
        JobError::new(ErrorCode::WorkerLost, message)
    });
    let sweep_at = now.0.saturating_add(tx.sweep_after(lost.place.kind)?);
    let (pending, ended) = (to == State::Pending, to.is_ended());
    tx.sql.get(Sql::Rescued)?.execute((
        seq,
        row::state_number(to),
        pending.then_some(wait::READY),
        pending.then_some(row::reason_number(Reason::Rescued)),
        pending.then_some(now.0),
        ended.then_some(now.0),
        ended.then_some(sweep_at),
        error.as_ref().map(|error| &error.code),
        error.as_ref().map(|error| &error.message),
    ))?;
    tx.sql.get(Sql::ItemsStop)?.execute((seq, now.0))?;
    note_attempt(tx, &lost.run, now, AttemptEnd::Rescued, None)?;
    tx.moved(lost.place, State::Running, to);
    if lost.followed && to.is_ended() {
        follow::insert(tx, seq)?;
    }
    Ok(())
}

/// Fails pending jobs whose time as a whole is over, and forgets old idempotency keys.
pub(super) fn expire(tx: &mut Tx<'_>, now: Timestamp) -> Result<Vec<Job>, Fault> {
    tx.sql.get(Sql::KeysExpire)?.execute([now.0])?;
    let mut seqs: Vec<Seq> = Vec::new();
    for wait in wait::ALL {
        seqs.extend(column(tx, Sql::Expired, (wait, now.0, EXPIRED))?);
    }
    seqs.sort_unstable();
    let error = JobError::new(
        ErrorCode::Deadline,
        "the job took longer than it may as a whole",
    );
    for seq in &seqs {
        let Standpoint {
            place,
            standing,
            followed,
        } = tx.standing(*seq)?.ok_or(Error::NotFound(*seq))?;
        let to = next(standing, Change::Deadline)
            .map_err(|illegal| Error::Internal(illegal.to_string()))?;
        let ended = Ended {
            state: to,
            kind: place.kind,
            at: now,
            error: Some(&error),
            spent: false,
        };
        end_row(tx, *seq, &ended)?;
        tx.sql.get(Sql::ItemsStop)?.execute((*seq, now.0))?;
        tx.moved(place, State::Pending, to);
        if followed {
            follow::insert(tx, *seq)?;
        }
    }
    jobs(tx, &seqs)
}

/// When the next pending job of no worker becomes due or its deadline passes.
pub(super) fn next_due(db: &Connection, now: Timestamp) -> rusqlite::Result<Option<Timestamp>> {
    let one = |sql: Sql, parameters: &[&dyn rusqlite::ToSql]| -> rusqlite::Result<Option<i64>> {
        let found = db
            .prepare_cached(sql.text())?
            .query_row(parameters, |row| row.get(0))
            .optional()?;
        Ok(found.flatten())
    };
    if one(Sql::ReadyDue, &[&now.0])?.is_some() {
        return Ok(Some(now));
    }
    let mut due = vec![one(Sql::DueFirst, &[])?, one(Sql::ReadyFirst, &[])?];
    for wait in [wait::READY, wait::UNTIL, wait::HELD] {
        due.push(one(Sql::DeadlineFirst, &[&wait])?);
    }
    let first = due.into_iter().flatten().min();
    Ok(first.map(|due| Timestamp(due).max(now)))
}

fn jobs(tx: &mut Tx<'_>, seqs: &[Seq]) -> Result<Vec<Job>, Fault> {
    let mut jobs = Vec::with_capacity(seqs.len());
    for seq in seqs {
        jobs.extend(tx.job(*seq)?);
    }
    Ok(jobs)
}

fn column(
    tx: &mut Tx<'_>,
    sql: Sql,
    parameters: impl rusqlite::Params,
) -> rusqlite::Result<Vec<i64>> {
    tx.sql
        .get(sql)?
        .query_map(parameters, |row| row.get(0))?
        .collect()
}
