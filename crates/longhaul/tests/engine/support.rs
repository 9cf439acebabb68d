//! An engine over the store in memory, and handlers that do as they are told.

use std::{
    sync::{
        Arc, Mutex,
        atomic::{AtomicU32, Ordering},
    },
    time::Duration,
};

use longhaul::{
    Context, Engine, Failure, Handler, JobHandle, Outcome,
    engine::Builder,
    handler::Policy,
    model::Backoff,
    testing::{MemoryStore, TestClock},
    types::State,
};
use serde::{Deserialize, Serialize};

pub(crate) type Step = Box<
    dyn Fn(u32, Context) -> futures_util::future::BoxFuture<'static, Result<Outcome<u32>, Failure>>
        + Send
        + Sync,
>;

/// A handler made of a closure that gets the number of the run, from 1.
pub(crate) struct Script {
    pub(crate) runs: Arc<AtomicU32>,
    pub(crate) policy: Policy,
    pub(crate) step: Step,
}

#[derive(Clone, Debug, Default, Serialize, Deserialize)]
pub(crate) struct Nothing {}

impl Handler for Script {
    const KIND: &'static str = "test.script";
    type Args = Nothing;
    type Output = u32;

    async fn run(&self, _: Nothing, job: &Context) -> Result<Outcome<u32>, Failure> {
        let run = self.runs.fetch_add(1, Ordering::SeqCst) + 1;
        (self.step)(run, job.clone()).await
    }

    fn policy(&self) -> Policy {
        self.policy.clone()
    }
}

/// An engine with one scripted kind.
pub(crate) struct Bench {
    pub(crate) engine: Engine,
    pub(crate) store: Arc<MemoryStore>,
    pub(crate) clock: TestClock,
    pub(crate) runs: Arc<AtomicU32>,
    pub(crate) ended: Arc<Mutex<Vec<State>>>,
}

pub(crate) fn policy() -> Policy {
    Policy {
        max_attempts: 3,
        backoff: Backoff {
            first: Duration::from_secs(1),
            cap: Duration::from_mins(1),
        },
        grace: Duration::from_secs(5),
        ..Policy::default()
    }
}

impl Bench {
    pub(crate) async fn new<F, Fut>(step: F) -> Self
    where
        F: Fn(u32, Context) -> Fut + Send + Sync + 'static,
        Fut: Future<Output = Result<Outcome<u32>, Failure>> + Send + 'static,
    {
        Self::with(policy(), |builder| builder, step).await
    }

    pub(crate) async fn with<F, Fut>(
        policy: Policy,
        build: impl FnOnce(Builder) -> Builder,
        step: F,
    ) -> Self
    where
        F: Fn(u32, Context) -> Fut + Send + Sync + 'static,
        Fut: Future<Output = Result<Outcome<u32>, Failure>> + Send + 'static,
    {
        let store = Arc::new(MemoryStore::default());
        let clock = TestClock::default();
        let runs = Arc::new(AtomicU32::new(0));
        let ended = Arc::new(Mutex::new(Vec::new()));
        let seen = Arc::clone(&ended);
        let script = Script {
            runs: Arc::clone(&runs),
            policy,
            step: Box::new(move |run, job| Box::pin(step(run, job))),
        };
        let builder = Engine::on(store.clone())
            .register(script)
            .clock(Arc::new(clock.clone()))
            .on_end(move |job| seen.lock().expect("not poisoned").push(job.state()));
        let engine = build(builder).start().await.expect("starts");
        Self {
            engine,
            store,
            clock,
            runs,
            ended,
        }
    }

    pub(crate) async fn submit(&self) -> JobHandle {
        self.engine.submit(Nothing {}).await.expect("submitted")
    }

    pub(crate) fn runs(&self) -> u32 {
        self.runs.load(Ordering::SeqCst)
    }

    /// Waits, without moving the clock, until the job is as wanted.
    pub(crate) async fn until(
        &self,
        job: &JobHandle,
        wanted: impl Fn(&longhaul::Job) -> bool,
    ) -> longhaul::Job {
        let deadline = std::time::Instant::now() + Duration::from_secs(10);
        loop {
            let now = job.job().await.expect("read");
            if wanted(&now) {
                return now;
            }
            assert!(std::time::Instant::now() < deadline, "still {now:?}");
            tokio::task::yield_now().await;
        }
    }

    /// Moves the clock on in steps until the job is as wanted.
    pub(crate) async fn advance_until(
        &self,
        job: &JobHandle,
        wanted: impl Fn(&longhaul::Job) -> bool,
    ) -> longhaul::Job {
        let deadline = std::time::Instant::now() + Duration::from_secs(10);
        loop {
            let now = job.job().await.expect("read");
            if wanted(&now) {
                return now;
            }
            assert!(std::time::Instant::now() < deadline, "still {now:?}");
            self.clock.advance(Duration::from_millis(100));
            tokio::task::yield_now().await;
        }
    }
}

pub(crate) async fn ended(bench: &Bench, job: &JobHandle) -> longhaul::engine::Ended {
    bench.advance_until(job, |job| job.state().is_ended()).await;
    job.wait().await.expect("ended")
}
