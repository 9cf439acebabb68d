//! New jobs.
//!
//! Invariant: a job is there with its args, labels, keys and count, or not at all.

use longhaul_types::{Reason, State, Timestamp};
use rusqlite::OptionalExtension;

use super::{
    error::{Fault, is_unique_violation},
    row,
    statements::Sql,
    tx::{Place, Tx},
};
use crate::store::{Error, IDEMPOTENCY, Insert, Inserted};

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

/// Inserts all jobs or none.
pub(super) fn insert_all(tx: &mut Tx<'_>, jobs: &[Insert]) -> Result<Vec<Inserted>, Fault> {
    match jobs {
        // One job is refused before its first row is written: no savepoint needed.
        [job] => insert(tx, job).map(|inserted| vec![inserted]),
        _ => tx.alone(|tx| jobs.iter().map(|job| insert(tx, job)).collect()),
    }
}

/// Inserts a job. Refused, it has written nothing but names.
pub(super) fn insert(tx: &mut Tx<'_>, job: &Insert) -> Result<Inserted, Fault> {
    let kind = tx.kind(&job.kind)?.id;
    let owner = tx.intern(&job.owner)?;
    if let Some(earlier) = earlier(tx, job, owner, kind)? {
        return Ok(earlier);
    }
    let queue = tx.intern(&job.queue)?;
    tx.check_depth(queue, &job.queue)?;
    // A held job has no time, whatever it says; any other has one.
    let run_at = match job.reason {
        Reason::Held => None,
        _ => Some(job.run_at.unwrap_or(job.created_at)),
    };
    let seq = tx.take_seq()?;
    let statement = tx.sql.get(Sql::JobInsert)?;
    statement.raw_bind_parameter(1, seq)?;
    statement.raw_bind_parameter(2, job.id.as_str())?;
    statement.raw_bind_parameter(3, owner)?;
    statement.raw_bind_parameter(4, kind)?;
    statement.raw_bind_parameter(5, queue)?;
    statement.raw_bind_parameter(6, job.priority)?;
    statement.raw_bind_parameter(7, wait_until(run_at, job.created_at))?;
    statement.raw_bind_parameter(8, row::reason_number(job.reason))?;
    statement.raw_bind_parameter(9, run_at.map(|at| at.0))?;
    statement.raw_bind_parameter(10, job.created_at.0)?;
    statement.raw_bind_parameter(11, job.max_attempts)?;
    statement.raw_bind_parameter(12, job.attempt_timeout.map(row::millis))?;
    statement.raw_bind_parameter(13, job.timeout.map(row::millis))?;
    statement.raw_bind_parameter(14, job.unique_key.as_deref())?;
    if let Err(error) = statement.raw_execute() {
        return Err(if is_unique_violation(&error) {
            Fault::Refused(Error::IdTaken(job.id.clone()))
        } else {
            Fault::Sqlite(error)
        });
    }
    rest(tx, job, seq, owner)?;
    tx.count(Place { owner, kind, queue }, State::Pending, 1);
    Ok(Inserted {
        seq,
        id: job.id.clone(),
        new: true,
    })
}

/// Args, labels and key of a job whose row is there.
fn rest(tx: &mut Tx<'_>, job: &Insert, seq: i64, owner: i64) -> Result<(), Fault> {
    let labels = if job.labels.is_empty() {
        None
    } else {
        Some(
            serde_json::to_string(&job.labels)
                .map_err(|error| Error::Internal(error.to_string()))?,
        )
    };
    let statement = tx.sql.get(Sql::ArgsInsert)?;
    statement.raw_bind_parameter(1, seq)?;
    statement.raw_bind_parameter(2, job.args_version)?;
    statement.raw_bind_parameter(3, job.args.as_str())?;
    statement.raw_bind_parameter(4, labels)?;
    statement.raw_execute()?;
    for (name, value) in &job.labels {
        tx.sql.get(Sql::LabelInsert)?.execute((name, value, seq))?;
    }
    if let Some(key) = &job.idempotency_key {
        let expires_at = job.created_at + IDEMPOTENCY;
        tx.sql
            .get(Sql::KeyInsert)?
            .execute((owner, key, seq, job.id.as_str(), expires_at.0))?;
    }
    Ok(())
}

/// The earlier job that a key of this one names.
fn earlier(
    tx: &mut Tx<'_>,
    job: &Insert,
    owner: i64,
    kind: i64,
) -> Result<Option<Inserted>, Fault> {
    let found = |row: &rusqlite::Row<'_>| {
        Ok(Inserted {
            seq: row.get(0)?,
            id: row::id(row, 1)?,
            new: false,
        })
    };
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
