//! effectum 0.7.0, measured as `longhaul bench` measures Longhaul: args of 200 bytes, jobs that do nothing.
//!
//! Prints one JSON object: single enqueues a second with 16 in flight, jobs drained a second, and milliseconds from
//! enqueue to start on an idle queue (p50). Its durability is weaker: it commits without syncing each transaction's
//! write-ahead log, and acknowledges before.

use std::{
    error::Error,
    sync::{
        Arc,
        atomic::{AtomicU64, Ordering},
    },
    time::{Duration, Instant},
};

use effectum::{Job, JobRunner, Queue, RunningJob, Worker};
use tokio::sync::mpsc;

const SINGLES: u64 = 40_000;
const STARTS: usize = 300;

#[derive(Debug)]
struct Shared {
    ran: AtomicU64,
    began: mpsc::Sender<Instant>,
}

async fn nothing(_: RunningJob, shared: Arc<Shared>) -> Result<(), effectum::Error> {
    shared.ran.fetch_add(1, Ordering::Relaxed);
    let _ = shared.began.try_send(Instant::now());
    Ok(())
}

fn job(args: &serde_json::Value) -> Result<Job, Box<dyn Error>> {
    Ok(Job::builder("nothing").json_payload(args)?.build())
}

#[tokio::main]
async fn main() -> Result<(), Box<dyn Error>> {
    let folder = match std::env::args().nth(1) {
        Some(folder) => tempfile::tempdir_in(folder)?,
        None => tempfile::tempdir()?,
    };
    let queue = Arc::new(Queue::new(&folder.path().join("effectum.db")).await?);
    let args = serde_json::json!({ "payload": "x".repeat(200 - 14) });

    let start = Instant::now();
    let next = Arc::new(AtomicU64::new(0));
    let mut tasks = Vec::new();
    for _ in 0..16 {
        let (queue, next, args) = (queue.clone(), next.clone(), args.clone());
        tasks.push(tokio::spawn(async move {
            while next.fetch_add(1, Ordering::Relaxed) < SINGLES {
                let job = Job::builder("nothing")
                    .json_payload(&args)
                    .expect("json")
                    .build();
                queue.add_job(job).await.expect("added");
            }
        }));
    }
    for task in tasks {
        task.await?;
    }
    let singles = SINGLES as f64 / start.elapsed().as_secs_f64();

    let (began, mut begins) = mpsc::channel(1);
    let shared = Arc::new(Shared {
        ran: AtomicU64::new(0),
        began,
    });
    let start = Instant::now();
    let worker = Worker::builder(&queue, Arc::clone(&shared))
        .max_concurrency(100)
        .min_concurrency(50)
        .jobs([JobRunner::builder("nothing", nothing).build()])
        .build()
        .await?;
    while shared.ran.load(Ordering::Relaxed) < SINGLES {
        tokio::time::sleep(Duration::from_millis(5)).await;
    }
    let drain = SINGLES as f64 / start.elapsed().as_secs_f64();

    tokio::time::sleep(Duration::from_secs(1)).await;
    while begins.try_recv().is_ok() {}
    let mut starts = Vec::new();
    for _ in 0..STARTS {
        let start = Instant::now();
        queue.add_job(job(&args)?).await?;
        let began = begins.recv().await.unwrap_or(start);
        starts.push((began - start).as_secs_f64() * 1000.0);
        tokio::time::sleep(Duration::from_millis(5)).await;
    }
    starts.sort_by(f64::total_cmp);
    worker.unregister(Some(Duration::from_secs(5))).await?;
    println!(
        "{}",
        serde_json::json!({
            "peer": "effectum 0.7.0",
            "singles16PerSecond": singles,
            "drainPerSecond": drain,
            "startP50Ms": starts[starts.len() / 2],
        })
    );
    Ok(())
}
