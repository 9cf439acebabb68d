//! What an engine tells its observer.

use std::{
    sync::{
        Arc, Mutex,
        atomic::{AtomicU32, Ordering},
    },
    time::{Duration, Instant},
};

use longhaul::{
    Engine, Failure, Outcome,
    engine::{Observer, Ran},
    handler::DEFAULT_QUEUE,
    store::End,
    types::{ItemCounts, State},
};

use crate::support::{Bench, Script, policy};

/// Writes down what it hears.
#[derive(Clone, Default)]
struct Heard(Arc<Mutex<Vec<String>>>);

impl Heard {
    fn note(&self, line: String) {
        self.0.lock().expect("no panic").push(line);
    }

    fn lines(&self) -> Vec<String> {
        self.0.lock().expect("no panic").clone()
    }
}

impl Observer for Heard {
    fn started(&self, kind: &str, queue: &str, waited: Duration) {
        self.note(format!("{kind} of {queue} started after {waited:?}"));
    }

    fn ran(&self, run: &Ran<'_>) {
        let end = match run.end {
            Some(End::Complete { .. }) => "complete",
            Some(End::Retry { .. }) => "retry",
            _ => "other",
        };
        self.note(format!(
            "{} attempt {} ran: {end}",
            run.job.kind, run.attempt
        ));
    }

    fn stopped(&self, kind: &str, took: Duration) {
        self.note(format!("{kind} stopped after {took:?}"));
    }

    fn ended(&self, kind: &str, state: State, items: ItemCounts) {
        let ItemCounts {
            total,
            completed,
            failed,
        } = items;
        self.note(format!(
            "{kind} {state} with {completed} and {failed} of {total}"
        ));
    }

    fn retried(&self, kind: &str) {
        self.note(format!("{kind} retried"));
    }

    fn rescued(&self, kind: &str) {
        self.note(format!("{kind} rescued"));
    }

    fn observed(&self, kind: &str, name: &'static str, value: f64) {
        self.note(format!("{kind} {name} {value}"));
    }
}

#[tokio::test]
async fn runs_ends_and_measurements_are_told() {
    let heard = Heard::default();
    let observer = heard.clone();
    let bench = Bench::with(
        policy(),
        |builder| builder.observer(observer),
        |run, job| async move {
            job.observe("quality", 92.5);
            job.observe("nothing", f64::NAN);
            if run == 1 {
                return Err(Failure::retry_after(Duration::ZERO, "again", "again"));
            }
            job.declare_items(["a", "b"]).await?;
            let _ = job.item("a").run(async |_| Ok(1)).await;
            let failed = async |_| Err::<u32, _>(Failure::fatal("broken", "broken"));
            let _ = job.item("b").attempts(1).run(failed).await;
            Ok(Outcome::Done(run))
        },
    )
    .await;
    let job = bench.submit().await;
    job.wait().await.expect("an end");
    let deadline = Instant::now() + Duration::from_secs(10);
    while heard.lines().len() < 10 {
        assert!(Instant::now() < deadline, "{:?}", heard.lines());
        tokio::task::yield_now().await;
    }
    assert_eq!(
        heard.lines(),
        [
            "test.script of default started after 0ns",
            "test.script quality 92.5",
            "test.script stopped after 0ns",
            "test.script attempt 1 ran: retry",
            "test.script retried",
            "test.script of default started after 0ns",
            "test.script quality 92.5",
            "test.script stopped after 0ns",
            "test.script attempt 2 ran: complete",
            "test.script completed with 1 and 1 of 2",
        ]
    );
}

#[tokio::test]
async fn the_wait_is_told_from_when_the_job_was_due() {
    let (heard, second) = (Heard::default(), Heard::default());
    let (one, two) = (heard.clone(), second.clone());
    let bench = Bench::with(
        policy(),
        |builder| builder.observer(one).observer(two),
        |run, _| async move { Ok(Outcome::Done(run)) },
    )
    .await;
    let paused = bench.engine.pause_queue(DEFAULT_QUEUE).await;
    paused.expect("paused");
    let job = bench.submit().await;
    bench.clock.advance(Duration::from_secs(90));
    let resumed = bench.engine.resume_queue(DEFAULT_QUEUE).await;
    resumed.expect("resumed");
    job.wait().await.expect("an end");
    let waited = "test.script of default started after 90s";
    assert_eq!(heard.lines().first().map(String::as_str), Some(waited));
    assert_eq!(second.lines().first().map(String::as_str), Some(waited));
}

#[tokio::test]
async fn a_rescue_is_told() {
    let bench = Bench::new(|run, job| async move {
        job.stopped().await;
        Ok(Outcome::Done(run))
    })
    .await;
    let job = bench.submit().await;
    bench.until(&job, |job| job.state() == State::Running).await;
    let heard = Heard::default();
    let runs = Arc::new(AtomicU32::new(0));
    let second = Script {
        runs: Arc::clone(&runs),
        policy: policy(),
        step: Box::new(|run, _| Box::pin(async move { Ok(Outcome::Done(run)) })),
    };
    // Its start says that the first worker is dead.
    let engine = Engine::on(bench.store.clone())
        .clock(Arc::new(bench.clock.clone()))
        .register(second)
        .observer(heard.clone())
        .start()
        .await
        .expect("started");
    let handle = engine.handle(None, job.id()).await.expect("there");
    handle.wait().await.expect("an end");
    assert_eq!(runs.load(Ordering::SeqCst), 1);
    assert_eq!(
        heard.lines().first().map(String::as_str),
        Some("test.script rescued")
    );
    engine.shutdown().await;
}
