//! apalis-postgres and graphile_worker, measured as `longhaul bench --database-url` measures Longhaul: args of 200 bytes, jobs
//! that do nothing.
//!
//! `peer-postgres apalis|graphile URL` prints one JSON object: single enqueues a second with 16 in flight, jobs a second in
//! batches of 1,000, and for graphile_worker jobs drained a second, with its local queue of 500 and batched completion.

use std::{
    error::Error,
    str::FromStr,
    sync::{
        Arc,
        atomic::{AtomicU64, Ordering},
    },
    time::{Duration, Instant},
};

use apalis::prelude::TaskSink;
use apalis_postgres::PostgresStorage;
use graphile_worker::{
    IntoTaskHandlerResult, JobSpec, LocalQueueConfig, TaskHandler, WorkerContext, WorkerOptions,
};
use serde::{Deserialize, Serialize};
use sqlx::postgres::{PgConnectOptions, PgPool, PgPoolOptions};

type Any = Box<dyn Error + Send + Sync>;

const SINGLES: u64 = 10_000;
const BULK: u64 = 100_000;
const DRAINED: u64 = 100_000;

static RAN: AtomicU64 = AtomicU64::new(0);

#[derive(Clone, Debug, Deserialize, Serialize)]
struct Nothing {
    payload: String,
}

impl Nothing {
    fn new() -> Self {
        Self {
            payload: "x".repeat(200 - 14),
        }
    }
}

impl TaskHandler for Nothing {
    const IDENTIFIER: &'static str = "nothing";

    async fn run(self, _: WorkerContext) -> impl IntoTaskHandlerResult {
        RAN.fetch_add(1, Ordering::Relaxed);
        Ok::<(), String>(())
    }
}

#[tokio::main]
async fn main() -> Result<(), Any> {
    let mut args = std::env::args().skip(1);
    let (system, url) = (args.next(), args.next().ok_or("give a URL")?);
    let pool = PgPoolOptions::new()
        .max_connections(20)
        .connect_with(PgConnectOptions::from_str(&url)?)
        .await?;
    match system.as_deref() {
        Some("apalis") => apalis(pool).await,
        Some("graphile") => graphile(pool).await,
        _ => Err("apalis or graphile".into()),
    }
}

async fn apalis(pool: PgPool) -> Result<(), Any> {
    PostgresStorage::setup(&pool).await?;
    let storage = PostgresStorage::<Nothing>::new(&pool);
    let next = Arc::new(AtomicU64::new(0));
    let start = Instant::now();
    let mut tasks = Vec::new();
    for _ in 0..16 {
        let (mut storage, next) = (storage.clone(), Arc::clone(&next));
        tasks.push(tokio::spawn(async move {
            while next.fetch_add(1, Ordering::Relaxed) < SINGLES {
                storage.push(Nothing::new()).await?;
            }
            Ok::<_, Any>(())
        }));
    }
    for task in tasks {
        task.await??;
    }
    let singles = rate(SINGLES, start);
    sqlx::query("truncate apalis.jobs").execute(&pool).await?;
    next.store(0, Ordering::Relaxed);
    let start = Instant::now();
    let mut tasks = Vec::new();
    for _ in 0..2 {
        let (mut storage, next) = (storage.clone(), Arc::clone(&next));
        tasks.push(tokio::spawn(async move {
            while next.fetch_add(1, Ordering::Relaxed) < BULK / 1000 {
                storage.push_bulk(vec![Nothing::new(); 1000]).await?;
            }
            Ok::<_, Any>(())
        }));
    }
    for task in tasks {
        task.await??;
    }
    let bulk = rate(BULK, start);
    println!(
        "{}",
        serde_json::json!({ "system": "apalis-postgres", "singles": singles, "bulk": bulk })
    );
    Ok(())
}

async fn graphile(pool: PgPool) -> Result<(), Any> {
    let worker = WorkerOptions::default()
        .concurrency(100)
        .define_job::<Nothing>()
        .pg_pool(pool.clone())
        .local_queue(LocalQueueConfig::default().with_size(500))
        .complete_job_batch_delay(Duration::from_millis(5))
        .init()
        .await?;
    let utils = Arc::new(worker.create_utils());
    let next = Arc::new(AtomicU64::new(0));
    let start = Instant::now();
    let mut tasks = Vec::new();
    for _ in 0..16 {
        let (utils, next) = (Arc::clone(&utils), Arc::clone(&next));
        tasks.push(tokio::spawn(async move {
            while next.fetch_add(1, Ordering::Relaxed) < SINGLES {
                utils.add_job(Nothing::new(), JobSpec::default()).await?;
            }
            Ok::<_, Any>(())
        }));
    }
    for task in tasks {
        task.await??;
    }
    let singles = rate(SINGLES, start);
    sqlx::query("truncate graphile_worker._private_jobs cascade")
        .execute(&pool)
        .await?;
    let spec = JobSpec::default();
    let batch: Vec<_> = (0..1000).map(|_| (Nothing::new(), &spec)).collect();
    let start = Instant::now();
    for _ in 0..BULK / 1000 {
        utils.add_jobs::<Nothing>(&batch).await?;
    }
    let bulk = rate(BULK, start);
    assert_eq!(BULK, DRAINED);
    let start = Instant::now();
    let draining = async {
        while RAN.load(Ordering::Relaxed) < DRAINED {
            tokio::time::sleep(Duration::from_millis(5)).await;
        }
        let drained = rate(DRAINED, start);
        worker.request_shutdown();
        drained
    };
    let (ran, drained) = tokio::join!(worker.run(), draining);
    ran?;
    println!(
        "{}",
        serde_json::json!({ "system": "graphile_worker", "singles": singles, "bulk": bulk, "drained": drained })
    );
    Ok(())
}

fn rate(jobs: u64, start: Instant) -> u64 {
    (jobs as f64 / start.elapsed().as_secs_f64()) as u64
}
