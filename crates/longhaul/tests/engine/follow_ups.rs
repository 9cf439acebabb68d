//! Jobs that follow the end of another, through the engine.

use std::{
    sync::{Arc, Mutex},
    time::Duration,
};

use longhaul::{
    Context, Engine, Failure, Handler, NewJob, Outcome,
    handler::Policy,
    model::{FollowUp, Followed, Start},
    testing::{MemoryStore, TestClock},
    types::{ErrorCode, State},
};
use serde::Deserialize;

#[derive(Deserialize)]
struct Told {
    end: Followed,
}

struct Internal;

impl Handler for Internal {
    const KIND: &'static str = "test.internal";
    type Args = ();
    type Output = ();

    async fn run(&self, (): (), _: &Context) -> Result<Outcome<()>, Failure> {
        Ok(Outcome::Done(()))
    }

    fn policy(&self) -> Policy {
        Policy {
            internal: true,
            queue: "nobody's".to_owned(),
            ..Policy::default()
        }
    }
}

type Heard = Arc<Mutex<Vec<(String, State)>>>;

/// An engine of three kinds: one that completes, one that fails, and one that hears of ends.
async fn engine(
    heard: &Heard,
    build: impl FnOnce(longhaul::engine::Builder) -> longhaul::engine::Builder,
) -> (Engine, TestClock) {
    let clock = TestClock::default();
    let heard = Arc::clone(heard);
    let builder = Engine::on(Arc::new(MemoryStore::default()))
        .clock(Arc::new(clock.clone()))
        .register_fn("test.works", |(): (), _| async { Ok(Outcome::Done(7)) })
        .register_fn("test.fails", |(): (), _| async {
            Err::<Outcome<()>, _>(Failure::fatal("told_to", "told to"))
        })
        .register(Internal)
        .register_fn("test.hears", move |told: Told, job: Context| {
            let heard = Arc::clone(&heard);
            async move {
                let found = job.find(&told.end.job_id).await?;
                let state = found.map(|detail| detail.job.state());
                assert_eq!(state, Some(told.end.state));
                let said = (told.end.job_id.to_string(), told.end.state);
                heard.lock().expect("not poisoned").push(said);
                Ok(Outcome::Done(()))
            }
        });
    (build(builder).start().await.expect("starts"), clock)
}

fn hears() -> FollowUp {
    FollowUp::new(NewJob::raw("test.hears", "{}")).tell("end")
}

fn job(kind: &str, id: &str) -> NewJob {
    NewJob::raw(kind, "null").id(id.parse().expect("an id"))
}

async fn until(heard: &Heard, count: usize) -> Vec<(String, State)> {
    let deadline = std::time::Instant::now() + Duration::from_secs(10);
    loop {
        let now = heard.lock().expect("not poisoned").clone();
        if now.len() >= count {
            return now;
        }
        assert!(std::time::Instant::now() < deadline, "heard {now:?}");
        tokio::task::yield_now().await;
    }
}

#[tokio::test]
async fn what_follows_runs_at_once_after_an_end_of_whatever_sort() {
    let heard = Heard::default();
    let (engine, _clock) = engine(&heard, |builder| builder).await;
    for (kind, id) in [("test.works", "a"), ("test.fails", "b")] {
        let followed = job(kind, id).follow_up(hears());
        engine.submit_job(followed).await.expect("submitted");
        until(&heard, 1).await;
        let state = heard.lock().expect("not poisoned").remove(0);
        let ended = if id == "a" {
            State::Completed
        } else {
            State::Failed
        };
        assert_eq!(state, (id.to_owned(), ended));
    }
    // Nobody runs a job that is cancelled before its time: the cancel itself must wake the worker.
    let held = job("test.works", "c").start(Start::Held).follow_up(hears());
    engine.submit_job(held).await.expect("submitted");
    let id = "c".parse().expect("an id");
    engine.cancel(None, &id).await.expect("cancelled");
    assert_eq!(until(&heard, 1).await, [("c".to_owned(), State::Cancelled)]);
    engine.shutdown().await;
}

#[tokio::test]
async fn a_rule_follows_every_job_but_not_its_own() {
    let heard = Heard::default();
    let rule = |_: &NewJob| vec![hears()];
    let (engine, _clock) = engine(&heard, |builder| builder.follow_ups(rule)).await;
    engine
        .submit_job(job("test.works", "a"))
        .await
        .expect("submitted");
    let own = FollowUp::new(NewJob::raw("test.fails", "null"));
    engine
        .submit_job(job("test.works", "b").follow_up(own))
        .await
        .expect("submitted");
    // a, b, and what follows b by its own word.
    let heard = until(&heard, 3).await;
    let failed = heard.iter().filter(|(_, state)| *state == State::Failed);
    assert_eq!((heard.len(), failed.count()), (3, 1));
    engine.shutdown().await;
}

#[tokio::test]
async fn what_could_not_follow_is_refused_with_the_job() {
    let heard = Heard::default();
    let (engine, _clock) = engine(&heard, |builder| builder).await;
    let works = || NewJob::raw("test.works", "null");
    let deep = (0..5).fold(works(), |job, _| works().follow_up(FollowUp::new(job)));
    let many = (0..33).fold(works(), |job, _| job.follow_up(FollowUp::new(works())));
    let one = |follow_up| works().follow_up(follow_up);
    let bad = ErrorCode::BadRequest;
    for (job, code) in [
        (one(FollowUp::new(works()).on([State::Running])), bad),
        (one(FollowUp::new(job("test.works", "a"))), bad),
        (one(FollowUp::new(works().idempotency_key("k"))), bad),
        (one(FollowUp::new(works().start(Start::Held))), bad),
        (one(FollowUp::new(works()).tell("end")), bad),
        (deep, bad),
        (many, ErrorCode::TooLarge),
        (
            one(FollowUp::new(NewJob::raw("test.works", "1"))),
            ErrorCode::InvalidArgs,
        ),
        (
            one(FollowUp::new(NewJob::raw("test.hears", "{}"))),
            ErrorCode::InvalidArgs,
        ),
        (
            one(FollowUp::new(NewJob::raw("test.nobody", "{}"))),
            ErrorCode::UnknownKind,
        ),
    ] {
        let shown = format!("{job:?}");
        let refused = engine.submit_job(job).await.expect_err(&shown);
        assert_eq!(refused.code(), code, "{refused} of {shown}");
    }
    // The args of an internal kind are the program's own, whoever else describes a job of it.
    let forged = NewJob::raw("test.internal", "null");
    let of = |job: &NewJob| one(FollowUp::new(job.clone()));
    for job in [forged.clone(), of(&forged)] {
        let refused = engine.submit_job(job).await.expect_err("refused");
        assert_eq!(refused.code(), ErrorCode::Forbidden);
    }
    let own = of(&forged.internal()).start(Start::Held);
    let own = engine.submit_job(own).await.expect("the program's own");
    engine.cancel(None, own.id()).await.expect("cancelled");
    own.wait().await.expect("ended");
    let counts = engine.counts(None).await.expect("counts");
    assert_eq!(counts.cancelled, 1, "and none of those that were refused");
    engine.shutdown().await;
}
