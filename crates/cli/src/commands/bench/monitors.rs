//! Many monitors that find nothing new: how late they are and what they cost.

use std::{
    path::Path,
    sync::{Arc, Mutex, PoisonError},
    time::{Duration, Instant},
};

use longhaul::{Context, Engine, Failure, Handler, NewJob, Outcome};

use super::{
    process,
    report::{Figure, Report},
};

const KIND: &str = "bench.monitor";
const INTERVAL: Duration = Duration::from_secs(10);
const WATCHED: Duration = Duration::from_secs(30);

/// When each monitor was last looked at, and how late checks were.
#[derive(Default)]
struct Seen {
    last: Vec<Option<Instant>>,
    measuring: bool,
    late: Vec<Duration>,
}

struct Monitor(Arc<Mutex<Seen>>);

impl Handler for Monitor {
    const KIND: &'static str = KIND;
    type Args = usize;
    type Output = ();

    async fn run(&self, number: usize, _: &Context) -> Result<Outcome<()>, Failure> {
        let now = Instant::now();
        let mut seen = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(last) = seen.last.get_mut(number).and_then(|last| last.replace(now))
            && seen.measuring
        {
            seen.late.push((now - last).saturating_sub(INTERVAL));
        }
        Ok(Outcome::CheckAgain(INTERVAL))
    }
}

/// Starts `monitors`, lets them settle, and watches them for half a minute.
pub(super) async fn measure(
    folder: &Path,
    monitors: u32,
    report: &mut Report,
) -> anyhow::Result<()> {
    let before = process::resident();
    let count = monitors as usize;
    let seen = Arc::new(Mutex::new(Seen {
        last: vec![None; count],
        ..Seen::default()
    }));
    let engine = Engine::open(folder.join("monitors.db"))
        .register(Monitor(Arc::clone(&seen)))
        .concurrency(1000)
        .start()
        .await?;
    for first in (0..count).step_by(1000) {
        let jobs = (first..count.min(first + 1000)).map(|number| NewJob::new(KIND, &number));
        engine.submit_many(jobs.collect::<Result<_, _>>()?).await?;
    }
    let all_seen = || {
        let seen = seen.lock().unwrap_or_else(PoisonError::into_inner);
        seen.last.iter().all(Option::is_some)
    };
    while !all_seen() {
        tokio::time::sleep(Duration::from_millis(100)).await;
    }
    tokio::time::sleep(INTERVAL).await;
    let (cpu, written, start) = (process::cpu_time(), process::written(), Instant::now());
    seen.lock()
        .unwrap_or_else(PoisonError::into_inner)
        .measuring = true;
    tokio::time::sleep(WATCHED).await;
    let late = {
        let mut seen = seen.lock().unwrap_or_else(PoisonError::into_inner);
        seen.measuring = false;
        std::mem::take(&mut seen.late)
    };
    let used = process::cpu_time().saturating_sub(cpu);
    let cores = used.as_secs_f64() / start.elapsed().as_secs_f64();
    let bytes = process::written() - written;
    let memory = process::resident().saturating_sub(before);
    engine.shutdown().await;
    let worst = late.iter().max().copied().unwrap_or_default();
    #[expect(clippy::cast_precision_loss, reason = "figures to read")]
    let mebibytes = |bytes: u64| bytes as f64 / f64::from(1 << 20);
    #[expect(clippy::cast_precision_loss, reason = "figures to read")]
    let checks = late.len() as f64;
    let name = |what: &str| format!("{monitors} monitors: {what}");
    report.figures.extend([
        Figure::new(name("checks in 30 s"), checks, "checks"),
        Figure::new(name("latest check"), worst.as_secs_f64(), "s").target("<= 1"),
        Figure::new(name("processor"), cores, "cores").target("<= 0.5"),
        Figure::new(name("memory"), mebibytes(memory), "MiB").target("<= 400"),
        Figure::new(name("written in 30 s"), mebibytes(bytes), "MiB").target("next to nothing"),
    ]);
    Ok(())
}
