//! Connections that read, beside the writer: a few, lent one at a time, each used on a thread that may block.
//!
//! Invariant: a reader sees what was committed before it asked, and never waits for the writer.

use std::{
    collections::BTreeMap,
    path::Path,
    sync::{Arc, Mutex, MutexGuard, PoisonError},
};

use longhaul_types::{Item, ItemState, JobId, LogLine, State, Timestamp, body::Counts};
use rusqlite::{Connection, OptionalExtension, Params, Row};
use tokio::sync::Semaphore;

use super::{
    error::store_error,
    list::limit,
    open::{Purpose, connect},
    row,
    statements::Sql,
};
use crate::{
    model::{Attempt, Detail, Job, Seq},
    store::{CountsBy, Error, Kind, StoredArtifact},
};

/// The connections that read.
#[derive(Debug)]
pub(super) struct Readers {
    idle: Arc<Mutex<Vec<Connection>>>,
    permits: Arc<Semaphore>,
    path: Arc<Path>,
}

impl Readers {
    /// Opens `count` connections, at least one.
    pub(super) fn open(path: Arc<Path>, count: usize) -> Result<Self, Error> {
        let connections: Result<Vec<_>, _> = (0..count.max(1))
            .map(|_| connect(&path, Purpose::Read))
            .collect();
        let connections = connections?;
        Ok(Self {
            permits: Arc::new(Semaphore::new(connections.len())),
            idle: Arc::new(Mutex::new(connections)),
            path,
        })
    }

    /// Runs `query` on one connection, in one read transaction.
    pub(super) async fn read<T: Send + 'static>(
        &self,
        query: impl FnOnce(&Connection) -> rusqlite::Result<T> + Send + 'static,
    ) -> Result<T, Error> {
        let gone = || Error::Unavailable("it is closed".to_owned());
        let permit = Arc::clone(&self.permits)
            .acquire_owned()
            .await
            .map_err(|_| gone())?;
        let idle = Arc::clone(&self.idle);
        let path = Arc::clone(&self.path);
        let task = tokio::task::spawn_blocking(move || {
            // There are as many permits as connections, and each goes back before its permit.
            let _permit = permit;
            let db = lock(&idle).pop().ok_or_else(gone)?;
            let lent = Lent {
                db: Some(db),
                idle: &idle,
            };
            let db = lent.db.as_ref().ok_or_else(gone)?;
            db.unchecked_transaction()
                .and_then(|transaction| {
                    let found = query(&transaction)?;
                    transaction.commit()?;
                    Ok(found)
                })
                .map_err(|error| store_error(&error, &path))
        });
        task.await
            .map_err(|error| Error::Internal(format!("a read ended early: {error}")))?
    }
}

/// A connection that goes back however its use ends.
struct Lent<'a> {
    db: Option<Connection>,
    idle: &'a Mutex<Vec<Connection>>,
}

impl Drop for Lent<'_> {
    fn drop(&mut self) {
        lock(self.idle).extend(self.db.take());
    }
}

fn lock(idle: &Mutex<Vec<Connection>>) -> MutexGuard<'_, Vec<Connection>> {
    idle.lock().unwrap_or_else(PoisonError::into_inner)
}

/// The kinds ever declared, by name.
pub(super) fn kinds(db: &Connection) -> rusqlite::Result<Vec<Kind>> {
    all(db, Sql::Kinds, [], |row| Ok(row::kind(row)?.1))
}

/// The jobs that a worker holds.
pub(super) fn held(db: &Connection, worker: &str) -> rusqlite::Result<Vec<Seq>> {
    all(db, Sql::Held, [worker], |row| row.get(0))
}

/// One job by id: of several owners' the first, when none is named.
pub(super) fn job(
    db: &Connection,
    owner: Option<&str>,
    id: &JobId,
) -> rusqlite::Result<Option<Job>> {
    let seq: Option<Seq> = match owner {
        Some(owner) => db
            .prepare_cached(Sql::SeqOfOwner.text())?
            .query_row((id.as_str(), owner), |row| row.get(0))
            .optional()?,
        None => db
            .prepare_cached(Sql::SeqOfAny.text())?
            .query_row([id.as_str()], |row| row.get(0))?,
    };
    match seq {
        Some(seq) => by_seq(db, seq),
        None => Ok(None),
    }
}

/// One job by its number.
pub(super) fn by_seq(db: &Connection, seq: Seq) -> rusqlite::Result<Option<Job>> {
    db.prepare_cached(Sql::Job.text())?
        .query_row([seq], row::job)
        .optional()
}

/// One job with its args and result.
pub(super) fn detail(db: &Connection, seq: Seq) -> rusqlite::Result<Option<Detail>> {
    let Some(job) = by_seq(db, seq)? else {
        return Ok(None);
    };
    db.prepare_cached(Sql::Detail.text())?
        .query_row([seq], |row| {
            Ok(Detail {
                job,
                args: row::json(row, 0)?.unwrap_or_default(),
                result: row::json(row, 1)?,
            })
        })
        .optional()
}

/// Exact counts by kind and queue.
pub(super) fn counts(db: &Connection, owner: Option<&str>) -> rusqlite::Result<CountsBy> {
    let line = |row: &Row<'_>| -> rusqlite::Result<((String, String), State, u64)> {
        Ok((
            (row.get(0)?, row.get(1)?),
            row::state(row, 2)?,
            row::unsigned(row, 3)?,
        ))
    };
    let lines = match owner {
        Some(owner) => all(db, Sql::CountsOwner, [owner], line)?,
        None => all(db, Sql::Counts, [], line)?,
    };
    let mut counts = CountsBy::new();
    for (place, state, n) in lines {
        let found: &mut Counts = counts.entry(place).or_default();
        *found.of_mut(state) += n;
    }
    Ok(counts)
}

/// The queues that are paused, each with when that was.
pub(super) fn paused(db: &Connection) -> rusqlite::Result<BTreeMap<String, Timestamp>> {
    let rows = all(db, Sql::Paused, [], |row| {
        Ok((row.get(0)?, row::time(row, 1)?))
    })?;
    Ok(rows.into_iter().collect())
}

/// A page of a job's items.
pub(super) fn items(
    db: &Connection,
    job: Seq,
    state: Option<ItemState>,
    after: Option<u32>,
    count: usize,
) -> rusqlite::Result<Vec<Item>> {
    let after = after.map_or(-1, i64::from);
    match state {
        Some(state) => {
            let state = row::item_state_number(state);
            all(
                db,
                Sql::ItemsState,
                (job, after, limit(count), state),
                row::item,
            )
        }
        None => all(db, Sql::Items, (job, after, limit(count)), row::item),
    }
}

/// A page of a job's log.
pub(super) fn log(
    db: &Connection,
    job: Seq,
    after: u64,
    count: usize,
) -> rusqlite::Result<Vec<LogLine>> {
    all(
        db,
        Sql::Log,
        (job, row::signed(after), limit(count)),
        row::log_line,
    )
}

/// The last lines of a job's log.
pub(super) fn log_tail(db: &Connection, job: Seq, count: usize) -> rusqlite::Result<Vec<LogLine>> {
    let mut lines = all(db, Sql::LogTail, (job, limit(count)), row::log_line)?;
    lines.reverse();
    Ok(lines)
}

/// The number of this installation.
pub(super) fn installation(db: &Connection) -> rusqlite::Result<u64> {
    db.prepare_cached(Sql::SettingRead.text())?
        .query_row(["installation"], |row| row::unsigned(row, 0))
}

/// Bytes of the artifacts of an owner's jobs.
pub(super) fn disk(db: &Connection, owner: &str) -> rusqlite::Result<u64> {
    let mut statement = db.prepare_cached(Sql::DiskOwner.text())?;
    let found = statement.query_row([owner], |row| row::unsigned(row, 0));
    Ok(found.optional()?.unwrap_or(0))
}

/// A job's artifacts.
pub(super) fn artifacts(db: &Connection, job: Seq) -> rusqlite::Result<Vec<StoredArtifact>> {
    all(db, Sql::Artifacts, [job], row::artifact)
}

/// A job's attempts that did not complete it.
pub(super) fn attempts(db: &Connection, job: Seq) -> rusqlite::Result<Vec<Attempt>> {
    all(db, Sql::Attempts, [job], row::attempt)
}

/// All rows of a statement.
pub(super) fn all<T>(
    db: &Connection,
    sql: Sql,
    parameters: impl Params,
    map: impl FnMut(&Row<'_>) -> rusqlite::Result<T>,
) -> rusqlite::Result<Vec<T>> {
    db.prepare_cached(sql.text())?
        .query_map(parameters, map)?
        .collect()
}
