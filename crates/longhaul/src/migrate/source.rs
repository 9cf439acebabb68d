//! The file that is left.

use std::{
    path::Path,
    sync::{Arc, Mutex, MutexGuard, PoisonError},
};

use longhaul_types::Timestamp;
use rusqlite::{Connection, types::Value};
use tokio::sync::mpsc;

use super::tables::Table;
use crate::{
    model::WorkerId,
    store::{
        self, Store as _,
        sqlite::{Options, SqliteStore, error::store_error, open},
    },
};

/// Rows that are handed over together, and batches of them that may wait.
const BATCH: usize = 500;
const WAITING: usize = 4;

/// Rows of a table, as the file keeps them.
pub(super) type Rows = mpsc::Receiver<Result<Vec<Vec<Value>>, store::Error>>;

/// A file of a job.
pub(super) struct File {
    pub(super) job: String,
    pub(super) name: String,
    pub(super) location: String,
    pub(super) size: u64,
    pub(super) sha256: String,
}

/// The file: of this process alone as long as it lives.
pub(super) struct Source {
    store: SqliteStore,
    db: Arc<Mutex<Connection>>,
    path: Arc<Path>,
}

impl Source {
    /// Opens it, and has every job wait that ran: its workers are gone.
    pub(super) async fn open(path: &Path, now: Timestamp) -> Result<Self, store::Error> {
        let store = SqliteStore::open(path, &Options::default())?;
        let path: Arc<Path> = Arc::from(path);
        let db = open::connect(&path, open::Purpose::Write)?;
        let fail = |error| store_error(&error, &path);
        db.execute(include_str!("sql/lapse.sql"), [])
            .map_err(fail)?;
        let mover = WorkerId::new();
        store.join(&mover, None, now).await?;
        while !store.rescue(now).await?.is_empty() {}
        store.leave(&mover).await?;
        let held: i64 = db
            .query_row(include_str!("sql/held.sql"), [], |row| row.get(0))
            .map_err(fail)?;
        if held > 0 {
            let why = format!("{held} jobs could not be put back");
            return Err(store::Error::Internal(why));
        }
        let db = Arc::new(Mutex::new(db));
        Ok(Self { store, db, path })
    }

    pub(super) fn store(&self) -> &SqliteStore {
        &self.store
    }

    /// Has nobody write to it from now on, but for [`Source::retire`].
    pub(super) fn close(&self) -> Result<(), store::Error> {
        self.execute("BEGIN IMMEDIATE")
    }

    /// The rows of a table.
    pub(super) fn rows(&self, table: &'static Table) -> Result<Rows, store::Error> {
        let (to, rows) = mpsc::channel(WAITING);
        let (db, path) = (Arc::clone(&self.db), Arc::clone(&self.path));
        std::thread::Builder::new()
            .name("longhaul-migrate".to_owned())
            .spawn(move || {
                let done = read(&locked(&db), table, &to);
                if let Err(error) = done {
                    // Nobody listens any more when the other side has failed, and says so.
                    let _ = to.blocking_send(Err(store_error(&error, &path)));
                }
            })
            .map_err(|error| store::Error::Unavailable(error.to_string()))?;
        Ok(rows)
    }

    /// The highest number that a job has had; 0 without any.
    pub(super) fn last(&self) -> Result<i64, store::Error> {
        locked(&self.db)
            .query_row(include_str!("sql/last.sql"), [], |row| row.get(0))
            .map_err(|error| store_error(&error, &self.path))
    }

    /// The files of its jobs.
    pub(super) fn files(&self) -> Result<Vec<File>, store::Error> {
        let db = locked(&self.db);
        let read = || {
            let mut statement = db.prepare(include_str!("sql/files.sql"))?;
            let files = statement.query_map([], |row| {
                Ok(File {
                    job: row.get(0)?,
                    name: row.get(1)?,
                    location: row.get(2)?,
                    size: row.get::<_, i64>(3)?.unsigned_abs(),
                    sha256: row.get(4)?,
                })
            })?;
            files.collect::<rusqlite::Result<_>>()
        };
        read().map_err(|error| store_error(&error, &self.path))
    }

    /// Takes no jobs any more.
    pub(super) fn retire(self) -> Result<(), store::Error> {
        let db = locked(&self.db);
        let retire = || {
            if db.is_autocommit() {
                db.execute_batch("BEGIN IMMEDIATE")?;
            }
            db.execute_batch(include_str!("sql/moved.sql"))?;
            db.execute_batch("COMMIT")?;
            db.query_row("PRAGMA wal_checkpoint(TRUNCATE)", [], |_| Ok(()))
        };
        retire().map_err(|error| store_error(&error, &self.path))
    }

    fn execute(&self, sql: &str) -> Result<(), store::Error> {
        locked(&self.db)
            .execute_batch(sql)
            .map_err(|error| store_error(&error, &self.path))
    }
}

/// Whoever panicked while it read has changed nothing.
fn locked(db: &Mutex<Connection>) -> MutexGuard<'_, Connection> {
    db.lock().unwrap_or_else(PoisonError::into_inner)
}

fn read(
    db: &Connection,
    table: &Table,
    to: &mpsc::Sender<Result<Vec<Vec<Value>>, store::Error>>,
) -> rusqlite::Result<()> {
    let mut statement = db.prepare(&table.select())?;
    let columns = statement.column_count();
    let mut rows = statement.query([])?;
    let mut batch = Vec::with_capacity(BATCH);
    while let Some(row) = rows.next()? {
        let values: rusqlite::Result<Vec<Value>> =
            (0..columns).map(|column| row.get(column)).collect();
        batch.push(values?);
        if batch.len() == BATCH && to.blocking_send(Ok(std::mem::take(&mut batch))).is_err() {
            return Ok(());
        }
    }
    let _ = to.blocking_send(Ok(batch));
    Ok(())
}
