//! How long a page of jobs with its counts takes in a large table, as a server answers it.
//!
//! `cargo run --release -p longhaul --example list_speed -- [--jobs 10000000] [--samples 100] [--dir FOLDER] [--keep FILE]`
//!
//! The first jobs are made through the store's own verbs, and their rows copied: eight kinds, four queues, three owners, a
//! label on every second job, a year of submissions; nine of ten have completed, some failed, wait, wait again, or run. Ten
//! million take about 4 GB and some minutes; with `--keep` the file stays, and is measured again without being filled.

use std::{
    env,
    error::Error,
    path::{Path, PathBuf},
    sync::Arc,
    time::{Duration, Instant},
};

use longhaul::{
    Store,
    model::{Claim, WorkerId},
    rusqlite::Connection,
    store::{
        ClaimRequest, Claimed, End, Filter, Insert, Kind, PageRequest, SqliteStore, Total, Write,
        sqlite::Options,
    },
    types::{ErrorCode, JobError, Labels, Reason, State, Timestamp, filter::Period},
};

type Any = Box<dyn Error + Send + Sync>;

/// When the first job is submitted.
const START: Timestamp = Timestamp(1_735_689_600_000);
const YEAR: Duration = Duration::from_hours(365 * 24);
const KINDS: usize = 8;
/// Jobs that are made by the store's own verbs; the others are copies of their rows.
const BASE: u64 = 100_000;
const BATCH: u64 = 5_000;
/// Milliseconds within which an answer is instant.
const TARGET: f64 = 50.0;

struct Settings {
    jobs: u64,
    samples: usize,
    folder: PathBuf,
    keep: Option<PathBuf>,
}

#[tokio::main]
async fn main() -> Result<(), Any> {
    let settings = settings()?;
    let folder = tempfile::tempdir_in(&settings.folder)?;
    let path = match &settings.keep {
        Some(path) => path.clone(),
        None => folder.path().join("jobs.db"),
    };
    if !path.exists() {
        let began = Instant::now();
        Bed::new(&path, settings.jobs)?.fill().await?;
        copy(&path, settings.jobs)?;
        Bed::new(&path, settings.jobs)?
            .claim(100, START + YEAR)
            .await?;
        println!("{} jobs filled in {:.0?}", settings.jobs, began.elapsed());
    }
    let store: Arc<dyn Store> = Arc::new(open(&path)?);
    println!(
        "{:<46} {:>8} {:>8} {:>6} {:>18}",
        "a page of 50 with its counts, ms", "p50", "p95", "jobs", "of"
    );
    let mut missed = 0;
    for (name, filter, request) in filters(settings.jobs) {
        if !measure(&*store, &settings, name, &filter, &request).await? {
            missed += 1;
        }
    }
    let mut times = Vec::with_capacity(settings.samples);
    let mut groups = 0;
    for _ in 0..settings.samples {
        let began = Instant::now();
        groups = store.failures(None).await?.groups.len();
        times.push(began.elapsed().as_secs_f64() * 1e3);
    }
    missed += usize::from(!told(
        "failures by kind and code",
        &mut times,
        &format!("{groups:>6} groups"),
    ));
    println!("{missed} of them take longer than {TARGET} ms at p95");
    Ok(())
}

fn settings() -> Result<Settings, Any> {
    let mut settings = Settings {
        jobs: 10_000_000,
        samples: 100,
        folder: env::temp_dir(),
        keep: None,
    };
    let mut args = env::args().skip(1);
    while let Some(name) = args.next() {
        let value = args.next().ok_or("each option takes a value")?;
        match name.as_str() {
            "--jobs" => settings.jobs = value.parse()?,
            "--samples" => settings.samples = value.parse()?,
            "--dir" => settings.folder = value.into(),
            "--keep" => settings.keep = Some(value.into()),
            _ => return Err(format!("unknown option {name}").into()),
        }
    }
    Ok(settings)
}

fn open(path: &Path) -> Result<SqliteStore, Any> {
    Ok(SqliteStore::open(path, &Options::default())?)
}

/// Asks as the server does, the three questions at a time, and says how long that took.
async fn measure(
    store: &dyn Store,
    settings: &Settings,
    name: &str,
    filter: &Filter,
    request: &PageRequest,
) -> Result<bool, Any> {
    let mut times = Vec::with_capacity(settings.samples);
    let mut said = String::new();
    for _ in 0..settings.samples {
        let began = Instant::now();
        let total = async {
            if filter.is_counted() {
                return Ok(None);
            }
            store.count(filter).await.map(Some)
        };
        let counts = store.counts(filter.owner.as_deref());
        let (page, total, counts) = tokio::try_join!(store.page(filter, request), total, counts)?;
        let Total { count, exact } = total.unwrap_or_else(|| filter.total(&counts));
        times.push(began.elapsed().as_secs_f64() * 1e3);
        let least = if exact { "" } else { "at least " };
        let cut = if page.cut.is_some() { ", cut" } else { "" };
        said = format!(
            "{:>6} {:>18}",
            page.jobs.len(),
            format!("{least}{count}{cut}")
        );
    }
    Ok(told(name, &mut times, &said))
}

/// Says how long something took, and whether that is instant.
fn told(name: &str, times: &mut [f64], said: &str) -> bool {
    times.sort_by(f64::total_cmp);
    let p95 = times[(times.len() * 95).div_ceil(100) - 1];
    println!(
        "{name:<46} {:>8.1} {p95:>8.1} {said}",
        times[times.len() / 2]
    );
    p95 <= TARGET
}

#[expect(clippy::too_many_lines, reason = "a table")]
fn filters(jobs: u64) -> Vec<(&'static str, Filter, PageRequest)> {
    let states = |states: &[State]| Filter {
        states: states.to_vec(),
        ..Filter::default()
    };
    let label = || Filter {
        labels: Labels::from([("service".to_owned(), "service-3".to_owned())]),
        ..Filter::default()
    };
    let text = |words: &[&str]| Filter {
        text: words.iter().map(|word| (*word).to_owned()).collect(),
        ..Filter::default()
    };
    let kind = |name: &str| Filter {
        kinds: vec![name.to_owned()],
        ..Filter::default()
    };
    let middle = Period {
        after: Some(START + YEAR / 2),
        before: Some(START + YEAR / 2 + Duration::from_hours(1)),
    };
    let late = Period {
        after: Some(START + YEAR - Duration::from_hours(1)),
        before: None,
    };
    let pages: Vec<(&'static str, Filter)> = vec![
        ("all", Filter::default()),
        ("state:completed", states(&[State::Completed])),
        ("state:failed", states(&[State::Failed])),
        ("state:pending", states(&[State::Pending])),
        ("state:running", states(&[State::Running])),
        (
            "status:pending",
            Filter {
                begun: Some(false),
                ..states(&[State::Pending])
            },
        ),
        (
            "status:processing",
            Filter {
                begun: Some(true),
                ..states(&[State::Pending, State::Running])
            },
        ),
        ("kind:list.3", kind("list.3")),
        (
            "kind:list.3 state:failed",
            Filter {
                states: vec![State::Failed],
                ..kind("list.3")
            },
        ),
        (
            "error:handler_failed",
            Filter {
                errors: vec!["handler_failed".to_owned()],
                ..Filter::default()
            },
        ),
        (
            "owner and queue",
            Filter {
                owner: Some("anna".to_owned()),
                queues: vec!["night".to_owned()],
                ..Filter::default()
            },
        ),
        ("label", label()),
        (
            "label, state:failed",
            Filter {
                states: vec![State::Failed],
                ..label()
            },
        ),
        (
            "label, state:running",
            Filter {
                states: vec![State::Running],
                ..label()
            },
        ),
        ("text that most have", text(&["service"])),
        ("text that nothing has", text(&["no such text"])),
        (
            "text that nothing has, state:failed",
            Filter {
                states: vec![State::Failed],
                ..text(&["no such text"])
            },
        ),
        ("an id", text(&["job-77777"])),
        (
            "created in an hour half a year ago",
            Filter {
                created: middle,
                ..Filter::default()
            },
        ),
        (
            "created then, state:failed",
            Filter {
                created: middle,
                ..states(&[State::Failed])
            },
        ),
        (
            "created then, text that nothing has",
            Filter {
                created: middle,
                ..text(&["no such text"])
            },
        ),
        (
            "ended in the last hour",
            Filter {
                ended: late,
                ..Filter::default()
            },
        ),
        (
            "ended in an hour half a year ago",
            Filter {
                ended: middle,
                ..Filter::default()
            },
        ),
        (
            "ended then, state:failed",
            Filter {
                ended: middle,
                ..states(&[State::Failed])
            },
        ),
    ];
    let first = PageRequest {
        before: None,
        skip: 0,
        limit: 50,
    };
    let half = PageRequest {
        before: i64::try_from(jobs / 2).ok(),
        ..first
    };
    let deep = PageRequest {
        skip: 9_950,
        ..first
    };
    let mut all: Vec<_> = pages
        .into_iter()
        .map(|(name, filter)| (name, filter, first))
        .collect();
    all.push(("all, page 200", Filter::default(), deep));
    all.push(("label, page 200", label(), deep));
    all.push((
        "state:failed, from the middle",
        states(&[State::Failed]),
        half,
    ));
    all.push((
        "state:pending, from the middle",
        states(&[State::Pending]),
        half,
    ));
    all.push((
        "text that nothing has, from the middle",
        text(&["no such text"]),
        half,
    ));
    all
}

/// Copies the first jobs, with all they have, until there are enough: each copy is later than the one before.
fn copy(path: &Path, jobs: u64) -> Result<(), Any> {
    let db = Connection::open(path)?;
    db.execute_batch("PRAGMA synchronous = OFF; PRAGMA cache_size = -500000")?;
    let columns: Vec<String> = db
        .prepare("SELECT name FROM pragma_table_info('longhaul_jobs') ORDER BY cid")?
        .query_map([], |row| row.get(0))?
        .collect::<Result<_, _>>()?;
    let copied = columns.iter().map(|name| match name.as_str() {
        "seq" => "seq + ?1".to_owned(),
        "id" => "id || '-' || ?2".to_owned(),
        "created_at" | "started_at" | "ended_at" | "run_at" | "sweep_at" => format!("{name} + ?3"),
        _ => name.clone(),
    });
    let rows = format!(
        "INSERT INTO longhaul_jobs ({}) SELECT {} FROM longhaul_jobs WHERE seq <= {BASE}",
        columns.join(", "),
        copied.collect::<Vec<_>>().join(", ")
    );
    let base = i64::try_from(BASE)?;
    let step = i64::try_from(YEAR.as_secs() * 1000 * BASE / jobs)?;
    for n in 1..jobs / BASE {
        let n = i64::try_from(n)?;
        let (seq, time) = (base * n, step * n);
        let transaction = db.unchecked_transaction()?;
        transaction.execute(&rows, (seq, n, time))?;
        transaction.execute(
            "INSERT INTO longhaul_args SELECT job + ?1, version, args, labels FROM longhaul_args WHERE job <= ?2",
            (seq, base),
        )?;
        transaction.execute(
            "INSERT INTO longhaul_labels SELECT l.key, l.value, a.job + ?1
             FROM longhaul_args AS a, json_each(a.labels) AS l WHERE a.job <= ?2",
            (seq, base),
        )?;
        transaction.commit()?;
    }
    db.execute_batch(
        "DELETE FROM longhaul_counts;
         INSERT INTO longhaul_counts SELECT owner, kind, queue, state, count(*) FROM longhaul_jobs GROUP BY 1, 2, 3, 4;
         PRAGMA wal_checkpoint(TRUNCATE)",
    )?;
    Ok(())
}

/// A table that is filled.
struct Bed {
    store: SqliteStore,
    worker: WorkerId,
    jobs: u64,
}

impl Bed {
    fn new(path: &Path, jobs: u64) -> Result<Self, Any> {
        Ok(Self {
            store: open(path)?,
            worker: WorkerId::named("speed"),
            jobs,
        })
    }

    /// The first jobs, by the store's verbs: most have ended, the newest wait.
    async fn fill(&self) -> Result<(), Any> {
        let kinds = (0..KINDS).map(|n| Kind::new(format!("list.{n}")));
        self.store.declare(kinds.collect()).await?;
        self.store.join(&self.worker, None, START).await?;
        let mut next = 0;
        while next < BASE {
            let batch = next..next + BATCH;
            next = batch.end;
            let inserts = batch.map(|n| self.job(n)).collect();
            self.store.insert(inserts).await?;
            if next + BATCH < BASE {
                self.run(next).await?;
            }
        }
        Ok(())
    }

    async fn run(&self, next: u64) -> Result<(), Any> {
        let now = self.time(next);
        let claimed = self.claim(100_000, now).await?;
        let writes = claimed.iter().map(|one| Write {
            end: Some(end(one, now)),
            ..Write::new(
                Claim {
                    job: one.job.seq,
                    number: one.job.claim,
                },
                now,
            )
        });
        self.store.write(writes.collect()).await?;
        Ok(())
    }

    async fn claim(&self, slots: u32, now: Timestamp) -> Result<Vec<Claimed>, Any> {
        let queues = ["day", "night", "urgent", "bulk"];
        let request = ClaimRequest {
            worker: self.worker.clone(),
            now,
            slots: queues.map(|queue| (queue.to_owned(), slots)).to_vec(),
            kinds: (0..KINDS).map(|n| format!("list.{n}")).collect(),
        };
        Ok(self.store.claim(request).await?)
    }

    fn time(&self, n: u64) -> Timestamp {
        #[expect(clippy::cast_precision_loss, reason = "counts are far below 2^52")]
        let part = n as f64 / self.jobs as f64;
        START + YEAR.mul_f64(part)
    }

    fn job(&self, n: u64) -> Insert {
        let queue = [
            "day", "day", "day", "day", "night", "night", "urgent", "bulk",
        ];
        let owner = ["", "", "", "", "", "", "anna", "ben"];
        let pick = |salt: u64| usize::try_from(n.wrapping_mul(salt) >> 7).unwrap_or(0) % 8;
        let created_at = self.time(n);
        let mut labels = Labels::new();
        if n.is_multiple_of(2) {
            labels.insert("service".to_owned(), format!("service-{}", n / 2 % 10));
        }
        Insert {
            id: format!("job-{n}").parse().expect("an id"),
            owner: owner[pick(2_654_435_761)].to_owned(),
            kind: format!("list.{}", pick(40_503)),
            queue: queue[pick(69_069)].to_owned(),
            priority: i16::from(n.is_multiple_of(50)),
            args_version: 1,
            args: "{\"page\":1}".to_owned(),
            labels,
            reason: Reason::New,
            run_at: Some(created_at),
            unique_key: None,
            idempotency_key: None,
            max_attempts: 5,
            attempt_timeout: None,
            timeout: None,
            follow_ups: Vec::new(),
            created_at,
        }
    }
}

/// Of a hundred jobs four fail, one is tried again in a year, and the others complete.
fn end(claimed: &Claimed, now: Timestamp) -> End {
    let error = JobError::new(
        ErrorCode::HandlerFailed,
        "the other side closed the connection after 30 s",
    );
    match claimed.job.seq % 100 {
        0..4 => End::Fail { error },
        4 => End::Retry {
            at: now + YEAR * 2,
            error,
        },
        _ => End::Complete { result: None },
    }
}
