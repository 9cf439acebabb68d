//! How fast the SQLite store is beside a bare loop over the same file system, in the same run and with the same durability.
//!
//! `cargo run --release -p longhaul --example store_speed -- [--samples 5] [--finished 1000000]
//! [--only WORDS] [--dir FOLDER]`
//!
//! The floors are loops of rusqlite on `(id TEXT PRIMARY KEY, args BLOB)`, in WAL with `synchronous=FULL`; each figure is the
//! median of the samples, and floor and store take turns. With `--finished` all is measured again beside that many
//! finished jobs.
//!
//! On a machine that is busy with other things rates say little. Beside them stand, where the system tells them (Linux),
//! the microseconds of processor time a job of the one thread that writes: of the loop, and of the store's writer.

use std::{
    env,
    error::Error,
    fs,
    path::{Path, PathBuf},
    sync::{
        Arc,
        atomic::{AtomicUsize, Ordering},
    },
    time::{Duration, Instant},
};

use futures_util::{StreamExt, TryStreamExt, stream};
use longhaul::{
    Store,
    model::{Claim, WorkerId},
    rusqlite::{Connection, Transaction, TransactionBehavior},
    store::{
        ClaimRequest, Claimed, End, Filter, Insert, Kind, SqliteStore, Write, sqlite::Options,
    },
    types::{Labels, Reason, State, Timestamp},
};

type Any = Box<dyn Error + Send + Sync>;

const KIND: &str = "speed.nothing";
const QUEUE: &str = "default";

struct Settings {
    samples: usize,
    finished: usize,
    folder: PathBuf,
    only: String,
}

#[tokio::main]
async fn main() -> Result<(), Any> {
    let settings = settings()?;
    println!(
        "one sync: {:?} (median of 200 commits of one row)",
        sync_time(&settings)?
    );
    let few = measure(&settings, 0).await?;
    if settings.finished > 0 {
        println!("\nbeside {} finished jobs:", settings.finished);
        let many = measure(&settings, settings.finished).await?;
        println!("\n{:<42} {:>12}", "slower beside finished jobs", "times");
        for ((name, before), (_, after)) in few.iter().zip(&many) {
            println!("{name:<42} {:>12.2}", before / after);
        }
    }
    Ok(())
}

fn settings() -> Result<Settings, Any> {
    let mut settings = Settings {
        samples: 5,
        finished: 0,
        folder: env::temp_dir(),
        only: String::new(),
    };
    let mut args = env::args().skip(1);
    while let Some(name) = args.next() {
        let value = args.next().ok_or("each option takes a value")?;
        match name.as_str() {
            "--samples" => settings.samples = value.parse()?,
            "--only" => settings.only = value,
            "--finished" => settings.finished = value.parse()?,
            "--dir" => settings.folder = value.into(),
            _ => return Err(format!("unknown option {name}").into()),
        }
    }
    Ok(settings)
}

/// Rates of the store by name, jobs a second.
type Rates = Vec<(&'static str, f64)>;

async fn measure(settings: &Settings, finished: usize) -> Result<Rates, Any> {
    let mut rates = Rates::new();
    println!(
        "{:<42} {:>12} {:>12} {:>7} {:>10} {:>10} {:>7}",
        "", "floor/s", "store/s", "ratio", "floor µs", "store µs", "ratio"
    );
    let bed = Bed::new(settings, finished).await?;
    for (name, in_flight, rows) in [
        ("insert one by one, 1 in flight", 1, 2_000),
        ("insert one by one, 16 in flight", 16, 20_000),
        ("insert one by one, 64 in flight", 64, 60_000),
    ] {
        if !name.contains(&settings.only) {
            continue;
        }
        let (mut floors, mut stores) = (Vec::new(), Vec::new());
        for _ in 0..settings.samples {
            floors.push(floor_insert(&settings.folder, rows, in_flight)?);
            stores.push(bed.insert_singly(rows, in_flight).await?);
        }
        rates.push((name, report(name, &floors, &stores)));
    }
    let name = "insert 1,000 a call, 2 in flight";
    if name.contains(&settings.only) {
        let (mut floors, mut stores) = (Vec::new(), Vec::new());
        for _ in 0..settings.samples {
            floors.push(floor_insert(&settings.folder, 100_000, 1_000)?);
            stores.push(bed.insert_bulk(100_000, 1_000).await?);
        }
        rates.push((name, report(name, &floors, &stores)));
    }
    let name = "claim and finish, 100 a batch";
    if name.contains(&settings.only) {
        let (mut floors, mut stores) = (Vec::new(), Vec::new());
        for _ in 0..settings.samples {
            floors.push(floor_drain(&settings.folder, 50_000, 100)?);
            stores.push(bed.drain(50_000, 100).await?);
        }
        rates.push((name, report(name, &floors, &stores)));
    }
    bed.reads(settings.samples, &mut rates).await?;
    Ok(rates)
}

/// One measurement: jobs a second, and microseconds of processor time a job.
#[derive(Clone, Copy, Debug)]
struct Sample {
    rate: f64,
    cpu: f64,
}

/// A measurement that goes on.
struct Meter {
    thread: Option<PathBuf>,
    cpu: u64,
    began: Instant,
}

impl Meter {
    /// Of the thread of this name.
    fn of(name: &str) -> Self {
        let tasks = fs::read_dir("/proc/self/task")
            .into_iter()
            .flatten()
            .flatten();
        let thread = tasks.map(|task| task.path()).find(|task| {
            fs::read_to_string(task.join("comm")).is_ok_and(|comm| comm.trim() == name)
        });
        Self::start(thread)
    }

    /// Of this thread.
    fn here() -> Self {
        Self::start(fs::canonicalize("/proc/thread-self").ok())
    }

    fn start(thread: Option<PathBuf>) -> Self {
        Self {
            cpu: thread.as_deref().map_or(0, nanoseconds),
            thread,
            began: Instant::now(),
        }
    }

    fn stop(&self, count: usize) -> Sample {
        let rate = rate(count, self.began.elapsed());
        let cpu = Duration::from_nanos(self.thread.as_deref().map_or(0, nanoseconds) - self.cpu);
        let cpu = cpu.as_secs_f64() * 1e6 / f64::from(u32::try_from(count).unwrap_or(u32::MAX));
        Sample { rate, cpu }
    }
}

/// Time that a thread has had on a processor.
fn nanoseconds(thread: &Path) -> u64 {
    let line = fs::read_to_string(thread.join("schedstat")).unwrap_or_default();
    line.split(' ')
        .next()
        .and_then(|first| first.parse().ok())
        .unwrap_or(0)
}

fn report(name: &str, floors: &[Sample], stores: &[Sample]) -> f64 {
    let rates = |samples: &[Sample]| median(samples.iter().map(|sample| sample.rate).collect());
    let cpus = |samples: &[Sample]| median(samples.iter().map(|sample| sample.cpu).collect());
    let (floor, store, floor_cpu, store_cpu) =
        (rates(floors), rates(stores), cpus(floors), cpus(stores));
    println!(
        "{name:<42} {floor:>12.0} {store:>12.0} {:>7.2} {floor_cpu:>10.2} {store_cpu:>10.2} {:>7.2}",
        store / floor,
        floor_cpu / store_cpu
    );
    store
}

fn median(mut values: Vec<f64>) -> f64 {
    values.sort_by(f64::total_cmp);
    values[values.len() / 2]
}

fn rate(count: usize, took: Duration) -> f64 {
    #[expect(clippy::cast_precision_loss, reason = "counts are far below 2^52")]
    let count = count as f64;
    count / took.as_secs_f64()
}

fn args() -> String {
    format!("{{\"text\":\"{}\"}}", "x".repeat(189))
}

fn bare(folder: &Path, schema: &str) -> Result<(tempfile::TempDir, Connection), Any> {
    let folder = tempfile::tempdir_in(folder)?;
    let db = Connection::open(folder.path().join("floor.db"))?;
    db.pragma_update(None, "journal_mode", "wal")?;
    db.pragma_update(None, "synchronous", "full")?;
    db.execute_batch(schema)?;
    Ok((folder, db))
}

fn sync_time(settings: &Settings) -> Result<Duration, Any> {
    let (_folder, db) = bare(&settings.folder, "CREATE TABLE t (id INTEGER PRIMARY KEY)")?;
    let mut times = Vec::new();
    for _ in 0..200 {
        let began = Instant::now();
        db.execute("INSERT INTO t DEFAULT VALUES", [])?;
        times.push(began.elapsed());
    }
    times.sort_unstable();
    Ok(times[times.len() / 2])
}

fn floor_insert(folder: &Path, rows: usize, batch: usize) -> Result<Sample, Any> {
    let (_folder, mut db) = bare(
        folder,
        "CREATE TABLE floor (id TEXT PRIMARY KEY, args BLOB)",
    )?;
    let args = args();
    let meter = Meter::here();
    for _ in 0..rows / batch {
        let transaction = Transaction::new(&mut db, TransactionBehavior::Immediate)?;
        let mut insert =
            transaction.prepare_cached("INSERT INTO floor (id, args) VALUES (?1, ?2)")?;
        for _ in 0..batch {
            let id = WorkerId::new();
            insert.execute((id.as_str(), args.as_bytes()))?;
        }
        drop(insert);
        transaction.commit()?;
    }
    Ok(meter.stop(rows))
}

fn floor_drain(folder: &Path, rows: usize, batch: u32) -> Result<Sample, Any> {
    let (_folder, mut db) = bare(
        folder,
        "CREATE TABLE floor (id TEXT PRIMARY KEY, args BLOB, state INTEGER NOT NULL DEFAULT 0);
         CREATE INDEX floor_ready ON floor (state) WHERE state = 0;",
    )?;
    let filling = db.transaction()?;
    for _ in 0..rows {
        filling
            .prepare_cached("INSERT INTO floor (id, args) VALUES (?1, ?2)")?
            .execute((WorkerId::new().as_str(), args().as_bytes()))?;
    }
    filling.commit()?;
    let meter = Meter::here();
    let mut held: Vec<(i64, String, Vec<u8>)> = Vec::new();
    let mut done = 0;
    while done < rows {
        let transaction = Transaction::new(&mut db, TransactionBehavior::Immediate)?;
        let mut finish =
            transaction.prepare_cached("UPDATE floor SET state = 2 WHERE rowid = ?1")?;
        for (row, _, _) in &held {
            finish.execute([row])?;
        }
        done += held.len();
        let mut find = transaction.prepare_cached(
            "SELECT rowid, id, args FROM floor WHERE state = 0 ORDER BY rowid LIMIT ?1",
        )?;
        held = find
            .query_map([batch], |row| Ok((row.get(0)?, row.get(1)?, row.get(2)?)))?
            .collect::<Result<_, _>>()?;
        let mut claim =
            transaction.prepare_cached("UPDATE floor SET state = 1 WHERE rowid = ?1")?;
        for (row, _, _) in &held {
            claim.execute([row])?;
        }
        drop((finish, find, claim));
        transaction.commit()?;
    }
    Ok(meter.stop(rows))
}

/// A store to measure, with what it was filled with.
struct Bed {
    store: Arc<SqliteStore>,
    worker: WorkerId,
    _folder: tempfile::TempDir,
}

impl Bed {
    async fn new(settings: &Settings, finished: usize) -> Result<Self, Any> {
        let folder = tempfile::tempdir_in(&settings.folder)?;
        let store = SqliteStore::open(folder.path().join("jobs.db"), &Options::default())?;
        store.declare(vec![Kind::new(KIND)]).await?;
        let worker = WorkerId::new();
        store.join(&worker, None, Timestamp::now()).await?;
        let bed = Self {
            store: Arc::new(store),
            worker,
            _folder: folder,
        };
        let mut left = finished;
        while left > 0 {
            let some = left.min(10_000);
            bed.insert_bulk(some, some).await?;
            bed.drain_all(1_000).await?;
            left -= some;
        }
        Ok(bed)
    }

    async fn insert_singly(&self, rows: usize, in_flight: usize) -> Result<Sample, Any> {
        let next = Arc::new(AtomicUsize::new(0));
        let meter = Meter::of("longhaul-writer");
        let tasks: Vec<_> = (0..in_flight)
            .map(|_| {
                let (store, next) = (Arc::clone(&self.store), Arc::clone(&next));
                tokio::spawn(async move {
                    while next.fetch_add(1, Ordering::Relaxed) < rows {
                        store.insert(vec![job()]).await?;
                    }
                    Ok::<_, longhaul::store::Error>(())
                })
            })
            .collect();
        for task in tasks {
            task.await??;
        }
        let sample = meter.stop(rows);
        self.drain_all(1_000).await?;
        Ok(sample)
    }

    async fn insert_bulk(&self, rows: usize, batch: usize) -> Result<Sample, Any> {
        let meter = Meter::of("longhaul-writer");
        let calls = stream::iter(0..rows / batch)
            .map(|_| self.store.insert((0..batch).map(|_| job()).collect()))
            .buffered(2);
        calls.try_for_each(|_| async { Ok(()) }).await?;
        let sample = meter.stop(rows);
        self.drain_all(1_000).await?;
        Ok(sample)
    }

    async fn drain(&self, rows: usize, batch: u32) -> Result<Sample, Any> {
        for _ in 0..rows / 1_000 {
            self.store
                .insert((0..1_000).map(|_| job()).collect())
                .await?;
        }
        let meter = Meter::of("longhaul-writer");
        self.drain_all(batch).await?;
        Ok(meter.stop(rows))
    }

    /// Claims and finishes; the ends of a batch and the claim of the next are sent together.
    async fn drain_all(&self, batch: u32) -> Result<(), Any> {
        let mut held: Vec<Claimed> = self.store.claim(self.request(batch)).await?;
        while !held.is_empty() {
            let now = Timestamp::now();
            let ends = held.iter().map(|claimed| Write {
                end: Some(End::Complete { result: None }),
                ..Write::new(
                    Claim {
                        job: claimed.job.seq,
                        number: claimed.job.claim,
                    },
                    now,
                )
            });
            let (written, next) = tokio::join!(
                self.store.write(ends.collect()),
                self.store.claim(self.request(batch))
            );
            written?;
            held = next?;
        }
        Ok(())
    }

    fn request(&self, slots: u32) -> ClaimRequest {
        ClaimRequest {
            worker: self.worker.clone(),
            now: Timestamp::now(),
            slots: vec![(QUEUE.to_owned(), slots)],
            kinds: vec![KIND.to_owned()],
        }
    }

    /// A page of jobs and the counts: how many a second.
    async fn reads(&self, samples: usize, rates: &mut Rates) -> Result<(), Any> {
        let filters = [
            ("a page of 50 of all jobs", Filter::default()),
            (
                "a page of 50 of one kind, completed",
                Filter {
                    kinds: vec![KIND.to_owned()],
                    states: vec![State::Completed],
                    ..Filter::default()
                },
            ),
            (
                "a page of 50 pending or failed (none)",
                Filter {
                    states: vec![State::Pending, State::Failed],
                    ..Filter::default()
                },
            ),
        ];
        for (name, filter) in filters {
            let mut found = Vec::new();
            for _ in 0..samples.max(5) {
                let began = Instant::now();
                self.store.jobs(&filter, None, 50).await?;
                found.push(rate(1, began.elapsed()));
            }
            let found = median(found);
            println!("{name:<42} {:>12} {found:>12.0}", "");
            rates.push((name, found));
        }
        let mut found = Vec::new();
        for _ in 0..samples.max(5) {
            let began = Instant::now();
            self.store.counts(None).await?;
            found.push(rate(1, began.elapsed()));
        }
        let found = median(found);
        println!("{:<42} {:>12} {found:>12.0}", "counts", "");
        rates.push(("counts", found));
        Ok(())
    }
}

fn job() -> Insert {
    let now = Timestamp::now();
    Insert {
        id: WorkerId::new()
            .as_str()
            .parse()
            .expect("a UUID is a job's id"),
        owner: String::new(),
        kind: KIND.to_owned(),
        queue: QUEUE.to_owned(),
        priority: 0,
        args_version: 1,
        args: args(),
        labels: Labels::new(),
        reason: Reason::New,
        run_at: Some(now),
        unique_key: None,
        idempotency_key: None,
        max_attempts: 5,
        attempt_timeout: None,
        timeout: None,
        follow_ups: Vec::new(),
        created_at: now,
    }
}
