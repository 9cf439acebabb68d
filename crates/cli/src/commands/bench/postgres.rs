//! The engine's speed on a PostgreSQL database: what `script/bench --postgres` holds against other systems on the same server.

use std::{
    process::Stdio,
    time::{Duration, Instant},
};

use anyhow::{Context as _, ensure};
use longhaul::{Store, store::PostgresStore, store::postgres::Options};
use tokio::process::{Child, Command};

use super::{
    floor::per_second,
    jobs::{BULK, Bench, DRAINED, KIND, Place, SINGLES},
    report::{Figure, Report, median},
};

/// Submitters: tasks of one process, or processes.
const SUBMITTERS: u32 = 16;
/// Runs at a time of a drain, as others fetch 500 jobs at a time.
const SLOTS: [u32; 2] = [100, 500];
/// Jobs of each of the processes that submit.
const EACH: u64 = 500;

/// Submits jobs one after another, as one of several processes.
pub(super) async fn submit(url: &str) -> anyhow::Result<()> {
    let bench = Bench::open(Place::Database(url.to_owned()), 0).await?;
    // Whoever started it starts them all at once.
    tokio::task::spawn_blocking(|| std::io::stdin().read_line(&mut String::new())).await??;
    bench.singles(EACH, 1).await?;
    bench.engine.shutdown().await;
    Ok(())
}

/// Measures beside `finished` jobs. The database is to be used for nothing else.
pub(super) async fn measure(
    url: &str,
    samples: u32,
    finished: u32,
    report: &mut Report,
) -> anyhow::Result<Vec<Figure>> {
    alone(url).await?;
    let place = || Place::Database(url.to_owned());
    let mut bench = Bench::filled(place(), finished.max(1000)).await?;
    let (mut singles, mut processes, mut bulk) = (Vec::new(), Vec::new(), Vec::new());
    let mut drained = [Vec::new(), Vec::new()];
    let mut starts = [Vec::new(), Vec::new()];
    for _ in 0..samples {
        bench = bench.reopen(0).await?;
        singles.push(bench.singles(SINGLES, SUBMITTERS as usize).await?);
        processes.push(many(url).await?);
        bulk.push(bench.bulk(BULK).await?);
        for (slots, drained) in SLOTS.into_iter().zip(&mut drained) {
            bench = bench.reopen(500).await?;
            bench.drained().await?;
            bench = bench.reopen(0).await?;
            bench.bulk(DRAINED).await?;
            let start = Instant::now();
            bench = bench.reopen(slots).await?;
            bench.drained().await?;
            drained.push(per_second(DRAINED, start.elapsed()));
        }
        starts[0].extend(bench.starts(None).await?);
        let other = Bench::open(place(), 0).await?;
        starts[1].extend(bench.starts(Some(&other.engine)).await?);
        other.engine.shutdown().await;
    }
    bench.engine.shutdown().await;
    let mut figures = vec![
        Figure::new("enqueue one by one, 16 tasks", median(singles), "jobs/s"),
        Figure::new(
            "enqueue one by one, 16 processes",
            median(processes),
            "jobs/s",
        ),
        Figure::new("enqueue 1,000 at a time", median(bulk), "jobs/s"),
    ];
    for (slots, drained) in SLOTS.into_iter().zip(drained) {
        let name = format!("drain, {slots} at a time");
        figures.push(Figure::new(name, median(drained), "jobs/s"));
    }
    for (name, mut times) in ["the same process", "another process"]
        .into_iter()
        .zip(starts)
    {
        times.sort_by(f64::total_cmp);
        for share in [50, 99] {
            let value = times.get(times.len() * share / 100).copied();
            let name = format!("start of a job submitted by {name}, idle, p{share}");
            let figure = Figure::new(name, value.unwrap_or(f64::NAN), "ms");
            figures.push(if share == 50 {
                figure.target("<= 3")
            } else {
                figure
            });
        }
    }
    report.figures.extend(figures.iter().cloned());
    Ok(figures)
}

/// Jobs a second of several processes, each submitting one after another.
async fn many(url: &str) -> anyhow::Result<f64> {
    let program = std::env::current_exe().context("this program")?;
    let mut children: Vec<Child> = Vec::new();
    for _ in 0..SUBMITTERS {
        let child = Command::new(&program)
            .args(["bench", "--postgres-submitter"])
            .env("LONGHAUL_DATABASE_URL", url)
            .stdin(Stdio::piped())
            .kill_on_drop(true)
            .spawn();
        children.push(child?);
    }
    // Time for all to connect.
    tokio::time::sleep(Duration::from_secs(3)).await;
    let start = Instant::now();
    for child in &mut children {
        drop(child.stdin.take());
    }
    for child in &mut children {
        ensure!(child.wait().await?.success(), "a submitter failed");
    }
    Ok(per_second(EACH * u64::from(SUBMITTERS), start.elapsed()))
}

/// Refuses a database that has other jobs than those of a measurement.
async fn alone(url: &str) -> anyhow::Result<()> {
    let store = PostgresStore::connect(url, &Options::default()).await?;
    let others = store.kinds().await?;
    ensure!(
        others.iter().all(|kind| kind.name == KIND),
        "this database has jobs of its own; create an empty one to measure on"
    );
    Ok(())
}
