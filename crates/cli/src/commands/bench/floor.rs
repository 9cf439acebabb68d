//! The floor: what bare loops of SQLite do on the same file system, with the same durability (WAL, synchronous=FULL).

use std::{
    fs,
    path::{Path, PathBuf},
    time::{Duration, Instant},
};

use longhaul::rusqlite::{Connection, params};

use super::report::median;

/// A table of jobs as bare as can be, gone when dropped.
struct Bare {
    path: PathBuf,
    db: Connection,
}

impl Bare {
    fn new(folder: &Path) -> anyhow::Result<Self> {
        let path = folder.join("floor.db");
        let db = Connection::open(&path)?;
        db.pragma_update(None, "journal_mode", "wal")?;
        db.pragma_update(None, "synchronous", "FULL")?;
        db.execute_batch("CREATE TABLE jobs (id TEXT PRIMARY KEY, args BLOB)")?;
        Ok(Self { path, db })
    }
}

impl Drop for Bare {
    fn drop(&mut self) {
        for end in ["", "-wal", "-shm"] {
            let mut file = self.path.clone().into_os_string();
            file.push(end);
            // The folder goes anyhow.
            let _ = fs::remove_file(file);
        }
    }
}

/// Time of one commit of one row: the median of 200.
pub(super) fn sync_time(folder: &Path) -> anyhow::Result<Duration> {
    let bare = Bare::new(folder)?;
    let mut times = Vec::new();
    for number in 0..200 {
        let start = Instant::now();
        let mut insert = bare.db.prepare_cached("INSERT INTO jobs VALUES (?1, ?2)")?;
        insert.execute(params![id(number), args().into_bytes()])?;
        times.push(start.elapsed().as_secs_f64());
    }
    Ok(Duration::from_secs_f64(median(times)))
}

/// Rows a second at `batch` rows a commit.
pub(super) fn inserts(folder: &Path, rows: u64, batch: u64) -> anyhow::Result<f64> {
    let bare = Bare::new(folder)?;
    let start = Instant::now();
    fill(&bare.db, rows, batch)?;
    Ok(per_second(rows, start.elapsed()))
}

fn fill(db: &Connection, rows: u64, batch: u64) -> anyhow::Result<()> {
    let args = args().into_bytes();
    let mut number = 0;
    while number < rows {
        db.execute_batch("BEGIN IMMEDIATE")?;
        let mut insert = db.prepare_cached("INSERT INTO jobs (id, args) VALUES (?1, ?2)")?;
        for _ in 0..batch.min(rows - number) {
            insert.execute(params![id(number), args])?;
            number += 1;
        }
        db.execute_batch("COMMIT")?;
    }
    Ok(())
}

/// Jobs a second of a loop that claims 100, commits, finishes them and commits.
pub(super) fn drain(folder: &Path, rows: u64) -> anyhow::Result<f64> {
    let bare = Bare::new(folder)?;
    let db = &bare.db;
    db.execute_batch(
        "ALTER TABLE jobs ADD COLUMN state INTEGER NOT NULL DEFAULT 0;
         CREATE INDEX jobs_pending ON jobs (state) WHERE state = 0;",
    )?;
    fill(db, rows, 1000)?;
    let start = Instant::now();
    loop {
        db.execute_batch("BEGIN IMMEDIATE")?;
        let mut due =
            db.prepare_cached("SELECT rowid, args FROM jobs WHERE state = 0 LIMIT 100")?;
        let jobs = due
            .query_map([], |row| {
                Ok((row.get::<_, i64>(0)?, row.get::<_, Vec<u8>>(1)?))
            })?
            .collect::<Result<Vec<_>, _>>()?;
        set_state(db, &jobs, 1)?;
        db.execute_batch("COMMIT")?;
        if jobs.is_empty() {
            return Ok(per_second(rows, start.elapsed()));
        }
        db.execute_batch("BEGIN IMMEDIATE")?;
        set_state(db, &jobs, 2)?;
        db.execute_batch("COMMIT")?;
    }
}

fn set_state(db: &Connection, jobs: &[(i64, Vec<u8>)], state: i64) -> anyhow::Result<()> {
    let mut update = db.prepare_cached("UPDATE jobs SET state = ?2 WHERE rowid = ?1")?;
    for (job, _) in jobs {
        update.execute(params![job, state])?;
    }
    Ok(())
}

/// Args of 200 bytes.
pub(super) fn args() -> String {
    format!("{{\"payload\":\"{}\"}}", "x".repeat(200 - 14))
}

fn id(number: u64) -> String {
    format!("01935b6a-0000-7000-9000-{number:012x}")
}

pub(super) fn per_second(rows: u64, time: Duration) -> f64 {
    #[expect(clippy::cast_precision_loss, reason = "a rate")]
    let rows = rows as f64;
    rows / time.as_secs_f64()
}
