//! The engine's speed with jobs that do nothing, through the library's public API.

use std::{
    path::Path,
    sync::{
        Arc, LazyLock,
        atomic::{AtomicU64, Ordering},
    },
    time::{Duration, Instant},
};

use futures_util::{StreamExt, TryStreamExt, stream};
use longhaul::{
    Context, Engine, Failure, Handler, NewJob, Outcome,
    store::{Filter, PostgresStore, postgres::Options},
    types::State,
};
use tokio::sync::mpsc;

use super::{
    floor::{self, per_second},
    report::{Figure, Report, median},
};

pub(super) const KIND: &str = "bench.nothing";
pub(super) const SINGLES: u64 = 40_000;
pub(super) const BULK: u64 = 200_000;
pub(super) const DRAINED: u64 = 100_000;
/// How long an engine on a shared database holds its jobs without a heartbeat.
const LEASE: Duration = Duration::from_secs(30);
const FLOOR: u64 = 200_000;
const STARTS: usize = 300;

/// A job that does nothing but say that it began.
struct Nothing(mpsc::Sender<Instant>);

impl Handler for Nothing {
    const KIND: &'static str = KIND;
    type Args = serde::de::IgnoredAny;
    type Output = ();

    async fn run(&self, _: Self::Args, _: &Context) -> Result<Outcome<()>, Failure> {
        // Only the measurement of starts listens, one job at a time; to all others nobody does.
        let _ = self.0.try_send(Instant::now());
        Ok(Outcome::Done(()))
    }
}

/// Where the jobs are.
#[derive(Debug)]
pub(super) enum Place {
    /// In a file of a folder, which goes with it.
    Folder(tempfile::TempDir),
    /// In the PostgreSQL database at this address.
    Database(String),
}

/// An engine whose jobs do nothing.
pub(super) struct Bench {
    pub(super) engine: Engine,
    began: mpsc::Receiver<Instant>,
    place: Place,
}

impl Bench {
    /// One on a file in `folder`, beside `finished` jobs.
    pub(super) async fn new(folder: &Path, finished: u32) -> anyhow::Result<Self> {
        Self::filled(Place::Folder(tempfile::tempdir_in(folder)?), finished).await
    }

    /// One beside `finished` jobs.
    pub(super) async fn filled(place: Place, finished: u32) -> anyhow::Result<Self> {
        let mut bench = Self::open(place, 100).await?;
        let mut left = u64::from(finished);
        while left > 0 {
            let batch = left.min(50_000);
            bench.bulk(batch).await?;
            left -= batch;
            bench.drained().await?;
        }
        Ok(bench)
    }

    /// One that runs so many jobs at a time.
    pub(super) async fn open(place: Place, concurrency: u32) -> anyhow::Result<Self> {
        let builder = match &place {
            Place::Folder(folder) => Engine::open(folder.path().join("bench.db")),
            Place::Database(url) => {
                let store = PostgresStore::connect(url, &Options::default()).await?;
                Engine::on(Arc::new(store)).lease(LEASE)
            }
        };
        let (begins, began) = mpsc::channel(1);
        let engine = builder
            .register(Nothing(begins))
            .concurrency(concurrency)
            .start()
            .await?;
        Ok(Self {
            engine,
            began,
            place,
        })
    }

    /// The same jobs with other concurrency.
    pub(super) async fn reopen(self, concurrency: u32) -> anyhow::Result<Self> {
        self.engine.shutdown().await;
        let Self { engine, place, .. } = self;
        drop(engine);
        Self::open(place, concurrency).await
    }

    /// Jobs a second, submitted one by one with `in_flight` at a time.
    pub(super) async fn singles(&self, jobs: u64, in_flight: usize) -> anyhow::Result<f64> {
        let start = Instant::now();
        let next = Arc::new(AtomicU64::new(0));
        let tasks: Vec<_> = (0..in_flight)
            .map(|_| {
                let (engine, next) = (self.engine.clone(), next.clone());
                tokio::spawn(async move {
                    while next.fetch_add(1, Ordering::Relaxed) < jobs {
                        engine.submit_job(job()).await?;
                    }
                    Ok::<_, longhaul::engine::Error>(())
                })
            })
            .collect();
        for task in tasks {
            task.await??;
        }
        Ok(per_second(jobs, start.elapsed()))
    }

    /// Jobs a second, submitted 1,000 at a time.
    pub(super) async fn bulk(&self, jobs: u64) -> anyhow::Result<f64> {
        let start = Instant::now();
        stream::iter(0..jobs.div_ceil(1000))
            .map(|_| self.engine.submit_many((0..1000).map(|_| job()).collect()))
            .buffered(2)
            .try_for_each(|_| async { Ok(()) })
            .await?;
        Ok(per_second(jobs, start.elapsed()))
    }

    /// Ends when nothing waits and nothing runs.
    pub(super) async fn drained(&mut self) -> anyhow::Result<()> {
        loop {
            let counts = self.engine.counts(None).await?;
            if counts.pending + counts.running == 0 {
                while self.began.try_recv().is_ok() {}
                return Ok(());
            }
            tokio::time::sleep(Duration::from_millis(5)).await;
        }
    }

    /// Milliseconds from a submission, by this engine or another, to the start of its run, with nothing else to do.
    pub(super) async fn starts(&mut self, by: Option<&Engine>) -> anyhow::Result<Vec<f64>> {
        let mut times = Vec::with_capacity(STARTS);
        while self.began.try_recv().is_ok() {}
        for _ in 0..STARTS {
            let start = Instant::now();
            let job = by.unwrap_or(&self.engine).submit_job(job()).await?;
            let began = self.began.recv().await.unwrap_or(start);
            times.push((began - start).as_secs_f64() * 1000.0);
            job.wait().await?;
        }
        times.sort_by(f64::total_cmp);
        Ok(times)
    }

    /// Milliseconds of a page of 50 jobs of a state, and of the counts.
    async fn reads(&self) -> anyhow::Result<(f64, f64)> {
        let filter = Filter {
            owner: Some(String::new()),
            states: vec![State::Completed],
            ..Filter::default()
        };
        let (mut pages, mut counts) = (Vec::new(), Vec::new());
        for _ in 0..200 {
            let start = Instant::now();
            self.engine.store().jobs(&filter, None, 50).await?;
            pages.push(start.elapsed().as_secs_f64() * 1000.0);
            let start = Instant::now();
            self.engine.counts(None).await?;
            counts.push(start.elapsed().as_secs_f64() * 1000.0);
        }
        Ok((median(pages), median(counts)))
    }
}

fn job() -> NewJob {
    // Made once, as the floor's are.
    static ARGS: LazyLock<String> = LazyLock::new(floor::args);
    NewJob::raw(KIND, ARGS.clone())
}

#[derive(Default)]
struct Samples {
    floor: [Vec<f64>; 4],
    engine: [Vec<f64>; 4],
    starts: Vec<Vec<f64>>,
}

/// Measures beside `finished` jobs; answers with the figures that the number of jobs must not change.
pub(super) async fn measure(
    folder: &Path,
    samples: u32,
    finished: u32,
    report: &mut Report,
) -> anyhow::Result<Vec<Figure>> {
    let mut seen = Samples::default();
    let mut bench = Bench::new(folder, finished.max(1000)).await?;
    for _ in 0..samples {
        bench = bench.reopen(0).await?;
        let at = [(16, 16), (64, 64)];
        for (index, (in_flight, batch)) in at.into_iter().enumerate() {
            seen.floor[index].push(floor::inserts(folder, FLOOR / 2, batch)?);
            seen.engine[index].push(bench.singles(SINGLES, in_flight).await?);
        }
        seen.floor[2].push(floor::inserts(folder, FLOOR, 1000)?);
        seen.engine[2].push(bench.bulk(BULK).await?);
        bench = bench.reopen(100).await?;
        bench.drained().await?;
        bench = bench.reopen(0).await?;
        bench.bulk(DRAINED).await?;
        seen.floor[3].push(floor::drain(folder, DRAINED)?);
        let start = Instant::now();
        bench = bench.reopen(100).await?;
        bench.drained().await?;
        seen.engine[3].push(per_second(DRAINED, start.elapsed()));
        seen.starts.push(bench.starts(None).await?);
    }
    let (page, counts) = bench.reads().await?;
    bench.engine.shutdown().await;
    let figures = figures(seen, report.sync, page, counts);
    report.figures.extend(figures.iter().cloned());
    Ok(figures)
}

fn figures(seen: Samples, sync: Duration, page: f64, counts: f64) -> Vec<Figure> {
    let names = [
        ("enqueue one by one, 16 in flight", "reported"),
        ("enqueue one by one, 64 in flight", ">= 0.40"),
        ("enqueue 1,000 at a time", ">= 0.50"),
        ("drain, 100 at a time", ">= 0.40"),
    ];
    let mut figures: Vec<Figure> = names
        .into_iter()
        .zip(seen.engine.into_iter().zip(seen.floor))
        .map(|((name, target), (engine, floor))| {
            Figure::new(name, median(engine), "jobs/s")
                .floor(median(floor))
                .target(target)
        })
        .collect();
    let part = |share: usize| {
        median(
            seen.starts
                .iter()
                .filter_map(|times| times.get(times.len() * share / 100).copied())
                .collect(),
        )
    };
    let target = 2.0 * sync.as_secs_f64() * 1000.0 + 1.0;
    figures.push(
        Figure::new("start of a job on an idle engine, p50", part(50), "ms")
            .target(format!("<= {target:.2} (two syncs + 1 ms)")),
    );
    figures.push(Figure::new(
        "start of a job on an idle engine, p99",
        part(99),
        "ms",
    ));
    figures.push(Figure::new("a page of 50 jobs", page, "ms"));
    figures.push(Figure::new("the counts", counts, "ms"));
    figures
}
