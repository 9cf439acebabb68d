//! Queues that are paused and resumed while an engine works.

use std::time::Duration;

use longhaul::{Outcome, Store as _, engine::Error, handler::DEFAULT_QUEUE, types::State};

use crate::support::Bench;

#[tokio::test]
async fn a_paused_queue_starts_nothing_and_a_resume_wakes_the_worker() {
    let bench = Bench::new(|run, _| async move { Ok(Outcome::Done(run)) }).await;
    let paused = bench.engine.pause_queue(DEFAULT_QUEUE).await;
    assert!(paused.expect("paused").paused_at.is_some());
    let job = bench.submit().await;
    for _ in 0..50 {
        bench.clock.advance(Duration::from_secs(1));
        tokio::task::yield_now().await;
    }
    assert_eq!(job.job().await.expect("read").state(), State::Pending);
    let resumed = bench.engine.resume_queue(DEFAULT_QUEUE).await;
    let resumed = resumed.expect("resumed");
    assert_eq!((resumed.paused_at, resumed.counts.pending), (None, 1));
    // The clock stands still: only a wake-up starts it.
    bench
        .until(&job, |job| job.state() == State::Completed)
        .await;
}

#[tokio::test]
async fn monitors_of_a_paused_queue_keep_still() {
    let bench = Bench::new(|_, _| async { Ok(Outcome::CheckAgain(Duration::from_secs(1))) }).await;
    let job = bench.submit().await;
    bench
        .until(&job, |job| job.claim == 1 && job.state() == State::Pending)
        .await;
    bench
        .engine
        .pause_queue(DEFAULT_QUEUE)
        .await
        .expect("paused");
    let checks = bench.runs();
    for _ in 0..50 {
        bench.clock.advance(Duration::from_secs(1));
        tokio::task::yield_now().await;
    }
    assert_eq!(bench.runs(), checks);
    bench
        .engine
        .resume_queue(DEFAULT_QUEUE)
        .await
        .expect("resumed");
    let deadline = std::time::Instant::now() + Duration::from_secs(10);
    while bench.runs() == checks {
        assert!(std::time::Instant::now() < deadline, "no check");
        tokio::task::yield_now().await;
    }
}

#[tokio::test]
async fn a_pause_of_another_process_stills_monitors_too() {
    let bench = Bench::new(|_, _| async { Ok(Outcome::CheckAgain(Duration::from_secs(1))) }).await;
    let job = bench.submit().await;
    bench
        .until(&job, |job| job.claim == 1 && job.state() == State::Pending)
        .await;
    // Past the engine, as another process would.
    let now = longhaul::clock::Clock::now(&bench.clock);
    bench.store.pause(DEFAULT_QUEUE, now).await.expect("paused");
    bench.store.touch();
    for _ in 0..10 {
        tokio::task::yield_now().await;
    }
    let checks = bench.runs();
    for _ in 0..50 {
        bench.clock.advance(Duration::from_secs(1));
        tokio::task::yield_now().await;
    }
    assert_eq!(bench.runs(), checks);
}

#[tokio::test]
async fn queues_stand_with_their_slots_and_unknown_ones_are_refused() {
    let bench = Bench::with(
        crate::support::policy(),
        |builder| builder.queue("narrow", 2),
        |run, _| async move { Ok(Outcome::Done(run)) },
    )
    .await;
    let queues = bench.engine.queues(None).await.expect("queues");
    let slots: Vec<(&str, u32)> = queues
        .iter()
        .map(|queue| (queue.name.as_str(), queue.concurrency))
        .collect();
    assert_eq!(slots, [(DEFAULT_QUEUE, 16), ("narrow", 2)]);
    for refused in [
        bench.engine.pause_queue("narow").await,
        bench.engine.resume_queue("narow").await,
    ] {
        assert!(matches!(refused, Err(Error::UnknownQueue(name)) if name == "narow"));
    }
    assert!(bench.store.paused().await.expect("paused").is_empty());
}
