//! New jobs.
//!
//! Invariant: a job is there with its args, labels, keys and count, or not at all. Jobs that meet in a commit share
//! statements of several rows: opening the table's indexes costs as much as writing a row into them.

use longhaul_types::{JobId, Reason, State, Timestamp};
use rusqlite::OptionalExtension;

use super::{
    error::{Fault, is_unique_violation},
    follow, row,
    statements::{Sql, chunk},
    tx::{Place, Tx},
};
use crate::{
    model::Seq,
    store::{Error, IDEMPOTENCY, Insert, Inserted},
};

/// Why a pending job is not claimed, as the schema numbers it.
pub(super) mod wait {
    /// It may be.
    pub(in super::super) const READY: u8 = 1;
    /// Its time has not come.
    pub(in super::super) const UNTIL: u8 = 2;
    /// Somebody must start it.
    pub(in super::super) const HELD: u8 = 3;
    /// Its worker keeps it between two checks.
    pub(in super::super) const PARKED: u8 = 4;
    /// All of them.
    pub(in super::super) const ALL: [u8; 4] = [READY, UNTIL, HELD, PARKED];
}

/// How a job waits that may run at `run_at`.
pub(super) fn wait_until(run_at: Option<Timestamp>, now: Timestamp) -> u8 {
    match run_at {
        None => wait::HELD,
        Some(at) if at > now => wait::UNTIL,
        Some(_) => wait::READY,
    }
}

/// A job that has its number and is counted, and is to be written.
#[derive(Clone, Copy)]
struct Planned<'j> {
    job: &'j Insert,
    seq: Seq,
    place: Place,
    run_at: Option<Timestamp>,
}

enum Plan<'j> {
    Earlier(Outcome),
    New(Planned<'j>),
}

/// What became of a job, by reference to it: who submitted it has its id.
#[derive(Clone, Debug)]
pub(super) enum Outcome {
    /// It is there, under this number.
    New(Seq),
    /// A key of it names this one.
    Earlier(Seq, JobId),
}

impl Outcome {
    /// As the store answers.
    pub(super) fn of(self, id: JobId) -> Inserted {
        match self {
            Self::New(seq) => Inserted { seq, id, new: true },
            Self::Earlier(seq, id) => Inserted {
                seq,
                id,
                new: false,
            },
        }
    }
}

/// Inserts all jobs or none.
pub(super) fn insert_all(tx: &mut Tx<'_>, jobs: &[Insert]) -> Result<Vec<Outcome>, Fault> {
    match jobs {
        // One job is refused before its first row is written: no savepoint needed.
        [job] => insert(tx, job).map(|outcome| vec![outcome]),
        _ => tx.alone(|tx| insert_many(tx, jobs)),
    }
}

/// Inserts a job. Refused, it has written nothing but names.
pub(super) fn insert(tx: &mut Tx<'_>, job: &Insert) -> Result<Outcome, Fault> {
    insert_one(tx, job, false)
}

/// Inserts a job that follows an end.
pub(super) fn insert_following(tx: &mut Tx<'_>, job: &Insert) -> Result<Outcome, Fault> {
    insert_one(tx, job, true)
}

fn insert_one(tx: &mut Tx<'_>, job: &Insert, follows: bool) -> Result<Outcome, Fault> {
    match plan(tx, job, follows)? {
        Plan::Earlier(earlier) => Ok(earlier),
        Plan::New(planned) => write_one(tx, &planned),
    }
}

/// Inserts jobs of different callers, each on its own. Only for jobs without keys ([`has_key`]).
pub(super) fn insert_each(
    tx: &mut Tx<'_>,
    jobs: &[&Insert],
) -> rusqlite::Result<Vec<Result<Outcome, Error>>> {
    let mut answers = Vec::with_capacity(jobs.len());
    let mut planned = Vec::with_capacity(jobs.len());
    for (place, job) in jobs.iter().enumerate() {
        match plan(tx, job, false) {
            Ok(Plan::New(new)) => {
                planned.push((place, new));
                answers.push(Ok(new.outcome()));
            }
            Ok(Plan::Earlier(earlier)) => answers.push(Ok(earlier)),
            Err(Fault::Refused(error)) => answers.push(Err(error)),
            Err(Fault::Sqlite(error)) => return Err(error),
        }
    }
    let mut left = &planned[..];
    while !left.is_empty() {
        let (some, others) = left.split_at(chunk(left.len()));
        left = others;
        let rows: Vec<Planned<'_>> = some.iter().map(|(_, new)| *new).collect();
        if write_rows(tx, &rows)? {
            continue;
        }
        for (place, new) in some {
            match write_one(tx, new) {
                Ok(_) => {}
                Err(Fault::Refused(error)) => answers[*place] = Err(error),
                Err(Fault::Sqlite(error)) => return Err(error),
            }
        }
    }
    Ok(answers)
}

/// Whether an earlier job may be the answer, so that rows before this one must be there when it is looked for.
pub(super) fn has_key(job: &Insert) -> bool {
    job.unique_key.is_some() || job.idempotency_key.is_some()
}

/// Inserts all jobs; to be run inside [`Tx::alone`] when there are several.
pub(super) fn insert_many(tx: &mut Tx<'_>, jobs: &[Insert]) -> Result<Vec<Outcome>, Fault> {
    let mut answers = Vec::with_capacity(jobs.len());
    let mut planned = Vec::with_capacity(jobs.len());
    for job in jobs {
        if has_key(job) {
            write_many(tx, &planned)?;
            planned.clear();
        }
        match plan(tx, job, false)? {
            Plan::Earlier(earlier) => answers.push(earlier),
            Plan::New(new) => {
                answers.push(new.outcome());
                planned.push(new);
            }
        }
    }
    write_many(tx, &planned)?;
    Ok(answers)
}

fn write_many(tx: &mut Tx<'_>, mut planned: &[Planned<'_>]) -> Result<(), Fault> {
    while !planned.is_empty() {
        let (some, others) = planned.split_at(chunk(planned.len()));
        planned = others;
        if !write_rows(tx, some)? {
            // One of them has an id that is taken: the first that is refused alone.
            for new in some {
                write_one(tx, new)?;
            }
        }
    }
    Ok(())
}

fn write_one(tx: &mut Tx<'_>, planned: &Planned<'_>) -> Result<Outcome, Fault> {
    if write_rows(tx, std::slice::from_ref(planned))? {
        Ok(planned.outcome())
    } else {
        tx.count(planned.place, State::Pending, -1);
        Err(Fault::Refused(Error::IdTaken(planned.job.id.clone())))
    }
}

/// Sees that a job may be inserted, gives it its number and counts it. One that follows an end is taken by a full queue too.
fn plan<'j>(tx: &mut Tx<'_>, job: &'j Insert, follows: bool) -> Result<Plan<'j>, Fault> {
    let kind = tx.kind(&job.kind)?.id;
    let owner = tx.intern(&job.owner)?;
    if has_key(job)
        && let Some(earlier) = earlier(tx, job, owner, kind)?
    {
        return Ok(Plan::Earlier(earlier));
    }
    for follow_up in &job.follow_ups {
        follow::check(tx, follow_up)?;
    }
    let queue = tx.intern(&job.queue)?;
    if !follows {
        tx.check_depth(queue, &job.queue)?;
    }
    let place = Place { owner, kind, queue };
    tx.count(place, State::Pending, 1);
    Ok(Plan::New(Planned {
        job,
        seq: tx.take_seq()?,
        place,
        // A held job has no time, whatever it says; any other has one.
        run_at: match job.reason {
            Reason::Held => None,
            _ => Some(job.run_at.unwrap_or(job.created_at)),
        },
    }))
}

impl Planned<'_> {
    fn outcome(&self) -> Outcome {
        Outcome::New(self.seq)
    }
}

/// Writes all rows of these jobs, as many as [`chunk`] allows; false, and nothing written, when an id is taken.
fn write_rows(tx: &mut Tx<'_>, planned: &[Planned<'_>]) -> rusqlite::Result<bool> {
    let statement = tx.sql.get_rows(Sql::JobInsert, planned.len())?;
    let mut at = 0;
    for Planned {
        job,
        seq,
        place,
        run_at,
    } in planned
    {
        statement.raw_bind_parameter(at + 1, seq)?;
        statement.raw_bind_parameter(at + 2, job.id.as_str())?;
        statement.raw_bind_parameter(at + 3, place.owner)?;
        statement.raw_bind_parameter(at + 4, place.kind)?;
        statement.raw_bind_parameter(at + 5, place.queue)?;
        statement.raw_bind_parameter(at + 6, job.priority)?;
        statement.raw_bind_parameter(at + 7, wait_until(*run_at, job.created_at))?;
        statement.raw_bind_parameter(at + 8, row::reason_number(job.reason))?;
        statement.raw_bind_parameter(at + 9, run_at.map(|at| at.0))?;
        statement.raw_bind_parameter(at + 10, job.created_at.0)?;
        statement.raw_bind_parameter(at + 11, job.max_attempts)?;
        statement.raw_bind_parameter(at + 12, job.attempt_timeout.map(row::millis))?;
        statement.raw_bind_parameter(at + 13, job.timeout.map(row::millis))?;
        statement.raw_bind_parameter(at + 14, job.unique_key.as_deref())?;
        let follow_ups = i64::try_from(job.follow_ups.len()).unwrap_or(i64::MAX);
        statement.raw_bind_parameter(at + 15, follow_ups)?;
        at += 15;
    }
    match statement.raw_execute() {
        Ok(_) => {}
        Err(error) if is_unique_violation(&error) => return Ok(false),
        Err(error) => return Err(error),
    }
    let statement = tx.sql.get_rows(Sql::ArgsInsert, planned.len())?;
    let mut at = 0;
    for Planned { job, seq, .. } in planned {
        statement.raw_bind_parameter(at + 1, seq)?;
        statement.raw_bind_parameter(at + 2, job.args_version)?;
        statement.raw_bind_parameter(at + 3, job.args.as_str())?;
        statement.raw_bind_parameter(at + 4, labels(job)?)?;
        at += 4;
    }
    statement.raw_execute()?;
    for new in planned {
        write_names(tx, new)?;
    }
    Ok(true)
}

/// Labels as JSON text; none when there are none.
fn labels(job: &Insert) -> rusqlite::Result<Option<String>> {
    if job.labels.is_empty() {
        return Ok(None);
    }
    serde_json::to_string(&job.labels)
        .map(Some)
        .map_err(|error| rusqlite::Error::ToSqlConversionFailure(Box::new(error)))
}

/// Writes what few jobs have: labels, follow-ups and an idempotency key.
fn write_names(tx: &mut Tx<'_>, planned: &Planned<'_>) -> rusqlite::Result<()> {
    let Planned {
        job, seq, place, ..
    } = planned;
    for (name, value) in &job.labels {
        tx.sql.get(Sql::LabelInsert)?.execute((name, value, seq))?;
    }
    follow::write(tx, *seq, &job.follow_ups)?;
    if let Some(key) = &job.idempotency_key {
        let expires_at = job.created_at + IDEMPOTENCY;
        tx.sql.get(Sql::KeyInsert)?.execute((
            place.owner,
            key,
            seq,
            job.id.as_str(),
            expires_at.0,
        ))?;
    }
    Ok(())
}

/// The earlier job that a key of this one names.
fn earlier(tx: &mut Tx<'_>, job: &Insert, owner: i64, kind: i64) -> Result<Option<Outcome>, Fault> {
    let found = |row: &rusqlite::Row<'_>| Ok(Outcome::Earlier(row.get(0)?, row::id(row, 1)?));
    if let Some(key) = &job.idempotency_key {
        let statement = tx.sql.get(Sql::KeyFind)?;
        let earlier = statement
            .query_row((owner, key, job.created_at.0), found)
            .optional()?;
        if earlier.is_some() {
            return Ok(earlier);
        }
    }
    if let Some(key) = &job.unique_key {
        let statement = tx.sql.get(Sql::UniqueFind)?;
        return Ok(statement.query_row((owner, kind, key), found).optional()?);
    }
    Ok(None)
}
