//! Schedules.
//!
//! Invariant: a schedule moves on in the transaction that inserts its jobs, and only from the revision it was read in.

use longhaul_types::{JobId, Timestamp};
use rusqlite::{Connection, OptionalExtension, Row, params};

use super::{
    error::Fault,
    insert::{self, Outcome},
    list::limit,
    read::all,
    row,
    statements::Sql,
    tx::Tx,
};
use crate::{
    model::{Schedule, Scheduled},
    store::{Error, Fire, Fired, Inserted, PutDone, PutSchedule},
};

/// Puts a schedule in, unless another change came first.
pub(super) fn put(tx: &mut Tx<'_>, put: &PutSchedule) -> Result<PutDone, Fault> {
    let schedule = &put.schedule;
    // An unknown kind is refused, as at a submission.
    tx.kind(&schedule.job.kind)?;
    let definition = serde_json::to_string(schedule)
        .map_err(|error| Error::Internal(format!("a schedule can not be kept: {error}")))?;
    let owner = tx.intern(&schedule.owner)?;
    let paused = schedule.paused == Some(true);
    let next_at = put.next_at.filter(|_| !paused).map(|at| at.0);
    let name = schedule.name.as_str();
    let changed = match put.replaces {
        Some(revision) => tx.sql.get(Sql::ScheduleReplace)?.execute(params![
            owner,
            name,
            row::signed(revision),
            definition,
            paused,
            next_at,
            put.now.0
        ])?,
        None => {
            let count: i64 = tx
                .sql
                .get(Sql::ScheduleCount)?
                .query_row([], |row| row.get(0))?;
            if u64::try_from(count).unwrap_or(0) >= put.most {
                return Err(Error::TooManySchedules(put.most).into());
            }
            tx.sql
                .get(Sql::ScheduleAdd)?
                .execute(params![owner, name, definition, paused, next_at, put.now.0])?
        }
    };
    if changed == 0 {
        return Ok(PutDone::Stale);
    }
    let statement = tx.sql.get(Sql::ScheduleFind)?;
    let now = statement.query_row((&schedule.owner, name), scheduled)?;
    Ok(PutDone::Done(Box::new(now)))
}

/// Takes a schedule out.
pub(super) fn remove(tx: &mut Tx<'_>, owner: &str, name: &str) -> Result<bool, Fault> {
    let Some(owner) = tx.find_name(owner)? else {
        return Ok(false);
    };
    let removed = tx.sql.get(Sql::ScheduleDelete)?.execute((owner, name))?;
    Ok(removed > 0)
}

/// A schedule by name, of one owner or of any.
pub(super) fn one(
    db: &Connection,
    owner: Option<&str>,
    name: &str,
) -> rusqlite::Result<Option<Scheduled>> {
    let found = match owner {
        Some(owner) => db
            .prepare_cached(Sql::ScheduleFind.text())?
            .query_row((owner, name), scheduled),
        None => db
            .prepare_cached(Sql::ScheduleOfAny.text())?
            .query_row([name], scheduled),
    };
    found.optional()
}

/// A page of schedules, by name and owner.
pub(super) fn page(
    db: &Connection,
    owner: Option<&str>,
    after: Option<(String, String)>,
    count: usize,
) -> rusqlite::Result<Vec<Scheduled>> {
    // Every name is longer than the empty one.
    let (name, last) = after.unwrap_or_default();
    match owner {
        Some(owner) => all(
            db,
            Sql::SchedulesOfOwner,
            (owner, name, limit(count)),
            scheduled,
        ),
        None => all(
            db,
            Sql::SchedulesOfAny,
            (name, last, limit(count)),
            scheduled,
        ),
    }
}

/// Schedules to be looked at now.
pub(super) fn due(
    db: &Connection,
    now: Timestamp,
    count: usize,
) -> rusqlite::Result<Vec<Scheduled>> {
    all(db, Sql::SchedulesDue, (now.0, limit(count)), scheduled)
}

/// When a schedule is to be looked at next.
pub(super) fn next(db: &Connection) -> rusqlite::Result<Option<Timestamp>> {
    db.prepare_cached(Sql::SchedulesNext.text())?
        .query_row([], |row| row::maybe_time(row, 0))
}

/// Moves schedules on, each on its own.
pub(super) fn fire_all(tx: &mut Tx<'_>, fires: &[Fire]) -> Result<Vec<Fired>, Fault> {
    fires
        .iter()
        .map(|one| match tx.alone(|tx| fire(tx, one)) {
            Ok(done) => Ok(done),
            Err(Fault::Refused(error)) => Ok(Fired::Refused(error.to_string())),
            Err(fault) => Err(fault),
        })
        .collect()
}

fn fire(tx: &mut Tx<'_>, fire: &Fire) -> Result<Fired, Fault> {
    let Some(owner) = tx.find_name(&fire.owner)? else {
        return Ok(Fired::Stale);
    };
    let moved = tx.sql.get(Sql::ScheduleFire)?.execute(params![
        owner,
        fire.name,
        row::signed(fire.revision),
        fire.next_at.map(|at| at.0),
        fire.look_at.map(|at| at.0),
        row::signed(fire.missed),
        fire.error,
    ])?;
    if moved == 0 {
        return Ok(Fired::Stale);
    }
    let mut inserted: Vec<Inserted> = Vec::with_capacity(fire.jobs.len());
    let mut last: Option<(Timestamp, &JobId)> = None;
    for (time, job) in &fire.jobs {
        let outcome = insert::insert(tx, job)?;
        if matches!(outcome, Outcome::New(_)) {
            last = Some((*time, &job.id));
        }
        inserted.push(outcome.of(job.id.clone()));
    }
    if !inserted.is_empty() {
        let new = inserted.iter().filter(|job| job.new).count();
        tx.sql.get(Sql::ScheduleSubmitted)?.execute(params![
            owner,
            fire.name,
            row::signed(new as u64),
            row::signed((inserted.len() - new) as u64),
            last.map(|(time, _)| time.0),
            last.map(|(_, id)| id.as_str()),
        ])?;
    }
    Ok(Fired::Done(inserted))
}

/// A row of the statements that find schedules.
fn scheduled(row: &Row<'_>) -> rusqlite::Result<Scheduled> {
    let mut schedule: Schedule = row::parsed(row, 2)?;
    schedule.name = row.get(0)?;
    schedule.owner = row.get(1)?;
    schedule.paused = Some(row.get(3)?);
    let last = match row::maybe_time(row, 6)? {
        Some(time) => Some((time, row::id(row, 7)?)),
        None => None,
    };
    Ok(Scheduled {
        schedule,
        next_at: row::maybe_time(row, 4)?,
        look_at: row::maybe_time(row, 5)?,
        last,
        submitted: row::unsigned(row, 8)?,
        missed: row::unsigned(row, 9)?,
        skipped: row::unsigned(row, 10)?,
        error: row.get(11)?,
        created_at: row::time(row, 12)?,
        updated_at: row::time(row, 13)?,
        revision: row::unsigned(row, 14)?,
    })
}
