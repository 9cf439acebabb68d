//! Jobs that look again later.

use std::time::Duration;

use longhaul::{
    Failure, Outcome, Store as _,
    types::{JobId, Reason, State},
};

use crate::support::{Bench, ended};

#[tokio::test]
async fn a_check_that_changes_nothing_writes_nothing() {
    let bench = Bench::new(|run, job| async move {
        if run == 1 {
            job.progress().set(1, 10);
        }
        Ok(if run < 20 {
            Outcome::CheckAgain(Duration::from_secs(10))
        } else {
            Outcome::Done(run)
        })
    })
    .await;
    let job = bench.submit().await;
    let parked = bench
        .until(&job, |job| job.state() == State::Pending && job.claim == 1)
        .await;
    let longhaul::model::Status::Pending { reason, worker, .. } = &parked.status else {
        panic!("pending, not {:?}", parked.status)
    };
    assert_eq!(*reason, Reason::Check);
    assert!(worker.is_some(), "the worker keeps it");
    let tenth = {
        while bench.runs() < 10 {
            bench.clock.advance(Duration::from_secs(1));
            tokio::task::yield_now().await;
        }
        job.job().await.expect("read")
    };
    assert_eq!((tenth.revision, tenth.claim), (parked.revision, 1));
    let ended = ended(&bench, &job).await;
    assert_eq!(ended.output::<u32>().expect("a number"), 20);
    assert_eq!(ended.job.claim, 1, "no other claim was needed");
}

#[tokio::test]
async fn a_failed_check_is_tried_again_and_a_good_one_begins_anew() {
    let bench = Bench::new(|run, _| async move {
        match run {
            // Five failures in all, never three in a row.
            1 | 2 | 4 | 5 | 7 => Err(Failure::retry("away", "not reachable")),
            ..9 => Ok(Outcome::CheckAgain(Duration::from_secs(1))),
            _ => Ok(Outcome::Done(run)),
        }
    })
    .await;
    let job = bench.submit().await;
    assert_eq!(ended(&bench, &job).await.state(), State::Completed);
}

#[tokio::test]
async fn a_cancelled_monitor_is_not_revived_by_a_check() {
    let bench = Bench::new(|run, job| async move {
        if run > 1 {
            job.stopped().await;
            return Ok(Outcome::Done(1));
        }
        Ok(Outcome::CheckAgain(Duration::from_secs(10)))
    })
    .await;
    let job = bench.submit().await;
    bench
        .until(&job, |job| job.claim == 1 && job.state() == State::Pending)
        .await;
    while bench.runs() < 2 {
        bench.clock.advance(Duration::from_secs(1));
        tokio::task::yield_now().await;
    }
    let cancelled = job.cancel().await.expect("cancelled");
    assert_eq!(cancelled.state(), State::Cancelled);
    while bench.engine.held() > 0 {
        bench.clock.advance(Duration::from_secs(1));
        tokio::task::yield_now().await;
    }
    assert_eq!(job.job().await.expect("read").state(), State::Cancelled);
}

#[tokio::test]
async fn monitors_hold_no_slot() {
    let bench = Bench::with(
        crate::support::policy(),
        |builder| builder.concurrency(1),
        |_, _| async { Ok(Outcome::CheckAgain(Duration::from_hours(1))) },
    )
    .await;
    let mut jobs = Vec::new();
    for _ in 0..50 {
        jobs.push(bench.submit().await);
    }
    for job in &jobs {
        bench
            .until(job, |job| job.claim == 1 && job.state() == State::Pending)
            .await;
    }
    assert_eq!(bench.engine.held(), 50);
    bench.engine.shutdown().await;
    let id: &JobId = jobs[0].id();
    let job = bench
        .store
        .job(None, id)
        .await
        .expect("read")
        .expect("there");
    assert_eq!(job.state(), State::Pending);
}

#[tokio::test]
async fn a_monitor_that_another_process_ended_is_forgotten() {
    let bench = Bench::new(|_, _| async { Ok(Outcome::CheckAgain(Duration::from_secs(3))) }).await;
    let job = bench.submit().await;
    bench
        .until(&job, |job| job.claim == 1 && job.state() == State::Pending)
        .await;
    // Past the engine, as another process would.
    let now = longhaul::clock::Clock::now(&bench.clock);
    let ids = vec![job.id().clone()];
    let asked = bench
        .store
        .ask(longhaul::store::Request::Cancel, None, ids, now)
        .await;
    asked.expect("asked");
    bench.store.touch();
    let deadline = std::time::Instant::now() + Duration::from_secs(10);
    while bench.engine.held() > 0 {
        assert!(std::time::Instant::now() < deadline, "still held");
        bench.clock.advance(Duration::from_millis(100));
        tokio::task::yield_now().await;
    }
}
