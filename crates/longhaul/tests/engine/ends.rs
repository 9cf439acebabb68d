//! How runs end: done, failed, tried again, timed out, cancelled, panicked, released.

use std::time::Duration;

use longhaul::{
    Failure, NewJob, Outcome,
    context::Stop,
    handler::Policy,
    model::Start,
    types::{ErrorCode, Reason, State},
};

use crate::support::{Bench, Nothing, ended, policy};

fn job() -> NewJob {
    NewJob::new("test.script", &Nothing {}).expect("json")
}

#[tokio::test]
async fn a_job_runs_and_its_result_is_kept() {
    let bench = Bench::new(|_, _| async { Ok(Outcome::Done(42)) }).await;
    let job = bench.submit().await;
    let ended = job.wait().await.expect("ended");
    assert_eq!(ended.state(), State::Completed);
    assert_eq!(ended.output::<u32>().expect("a number"), 42);
    assert_eq!(
        *bench.ended.lock().expect("not poisoned"),
        [State::Completed]
    );
}

#[tokio::test]
async fn an_ordinary_error_is_tried_again_until_the_attempts_are_spent() {
    let bench = Bench::new(|_, _| async { Err(std::io::Error::other("no luck").into()) }).await;
    let job = bench.submit().await;
    let waiting = bench.until(&job, |job| job.attempts == 1).await;
    assert_eq!(waiting.state(), State::Pending);
    assert_eq!(waiting.error.expect("kept").message, "no luck");
    let ended = ended(&bench, &job).await;
    assert_eq!(ended.state(), State::Failed);
    assert_eq!((bench.runs(), ended.job.attempts), (3, 3));
    assert_eq!(ended.error().expect("kept").code, "handler_failed");
}

#[tokio::test]
async fn a_final_failure_is_not_tried_again() {
    let bench = Bench::new(|_, _| async { Err(Failure::fatal("gone", "the blob is gone")) }).await;
    let job = bench.submit().await;
    let ended = job.wait().await.expect("ended");
    assert_eq!((ended.state(), bench.runs()), (State::Failed, 1));
    assert_eq!(ended.error().expect("kept").code, "gone");
}

#[tokio::test]
async fn a_panic_is_a_failed_attempt() {
    let bench = Bench::new(|run, _| async move {
        assert!(run > 1, "first run");
        Ok(Outcome::Done(run))
    })
    .await;
    let job = bench.submit().await;
    let waiting = bench.until(&job, |job| job.attempts == 1).await;
    let error = waiting.error.expect("kept");
    assert_eq!(error.code, ErrorCode::HandlerPanicked.as_str());
    assert_eq!(error.message, "the handler panicked: first run");
    assert_eq!(ended(&bench, &job).await.state(), State::Completed);
}

#[tokio::test]
async fn an_attempt_that_takes_too_long_is_tried_again_and_a_job_is_not() {
    let slow = |_: u32, job: longhaul::Context| async move {
        job.stopped().await;
        Err(Failure::retry("stopped", "stopped"))
    };
    let attempts = Policy {
        attempt_timeout: Some(Duration::from_secs(3)),
        ..policy()
    };
    let bench = Bench::with(attempts, |builder| builder, slow).await;
    let job = bench.submit().await;
    let ended_by_attempts = ended(&bench, &job).await;
    assert_eq!(bench.runs(), 3);
    let code = &ended_by_attempts.error().expect("kept").code;
    assert_eq!(code, ErrorCode::AttemptTimeout.as_str());

    let whole = Policy {
        timeout: Some(Duration::from_secs(3)),
        ..policy()
    };
    let bench = Bench::with(whole, |builder| builder, slow).await;
    let job = bench.submit().await;
    let ended_by_deadline = ended(&bench, &job).await;
    assert_eq!(
        (bench.runs(), ended_by_deadline.state()),
        (1, State::Failed)
    );
    let code = &ended_by_deadline.error().expect("kept").code;
    assert_eq!(code, ErrorCode::Deadline.as_str());
}

#[tokio::test]
async fn the_time_of_a_job_ends_also_while_it_waits() {
    let policy = Policy {
        timeout: Some(Duration::from_secs(30)),
        ..policy()
    };
    let bench = Bench::with(
        policy,
        |builder| builder,
        |_, _| async {
            Err(Failure::retry_after(
                Duration::from_hours(1),
                "later",
                "later",
            ))
        },
    )
    .await;
    let job = bench.submit().await;
    let ended = ended(&bench, &job).await;
    assert_eq!(ended.error().expect("kept").code, "deadline_exceeded");
    assert_eq!(bench.runs(), 1);
}

#[tokio::test]
async fn a_run_that_does_not_listen_is_dropped_after_its_grace() {
    let bench = Bench::new(|_, _| std::future::pending()).await;
    let job = bench.submit().await;
    bench.until(&job, |job| job.state() == State::Running).await;
    let asked = job.cancel().await.expect("asked");
    assert!(asked.cancel_requested(), "the run has not stopped yet");
    assert_eq!(asked.state(), State::Running);
    let ended = ended(&bench, &job).await;
    assert_eq!(ended.state(), State::Cancelled);
}

#[tokio::test]
async fn a_cancelled_run_ends_as_cancelled_whatever_it_returns() {
    let bench = Bench::new(|_, job| async move {
        assert_eq!(job.stopped().await, Stop::Cancel);
        Ok(Outcome::Done(1))
    })
    .await;
    let job = bench.submit().await;
    bench.until(&job, |job| job.state() == State::Running).await;
    job.cancel().await.expect("asked");
    let ended = job.wait().await.expect("ended");
    assert_eq!((ended.state(), ended.result), (State::Cancelled, None));
    assert!(job.cancel().await.is_err(), "it has ended");
    assert_eq!(
        *bench.ended.lock().expect("not poisoned"),
        [State::Cancelled]
    );
}

#[tokio::test]
async fn a_pending_job_is_cancelled_at_once_and_a_retry_by_hand_runs_it() {
    let bench = Bench::new(|run, _| async move { Ok(Outcome::Done(run)) }).await;
    let held = job().start(Start::Held);
    let job = bench.engine.submit_job(held).await.expect("submitted");
    assert_eq!(
        job.cancel().await.expect("cancelled").state(),
        State::Cancelled
    );
    assert_eq!(bench.runs(), 0);
    bench.engine.retry(None, job.id()).await.expect("retried");
    let ended = job.wait().await.expect("ended");
    assert_eq!((ended.state(), bench.runs()), (State::Completed, 1));
    assert!(
        bench.engine.retry(None, job.id()).await.is_err(),
        "no item failed"
    );
}

#[tokio::test]
async fn held_and_delayed_jobs_wait() {
    let bench = Bench::new(|run, _| async move { Ok(Outcome::Done(run)) }).await;
    let held = bench
        .engine
        .submit_job(job().start(Start::Held))
        .await
        .expect("submitted");
    let hour = Start::After(Duration::from_hours(1));
    let delayed = bench
        .engine
        .submit_job(job().start(hour))
        .await
        .expect("submitted");
    assert_eq!(
        bench
            .submit()
            .await
            .wait()
            .await
            .expect("ended")
            .output::<u32>()
            .expect("first"),
        1
    );
    bench
        .engine
        .start_now(None, held.id())
        .await
        .expect("started");
    assert_eq!(
        held.wait()
            .await
            .expect("ended")
            .output::<u32>()
            .expect("second"),
        2
    );
    assert_eq!(delayed.job().await.expect("read").state(), State::Pending);
    bench.clock.advance(Duration::from_hours(1));
    assert_eq!(
        delayed
            .wait()
            .await
            .expect("ended")
            .output::<u32>()
            .expect("third"),
        3
    );
}

#[tokio::test]
async fn a_shutdown_gives_jobs_back_without_spending_an_attempt() {
    let bench = Bench::new(|_, job| async move {
        job.save(&7).await?;
        let stop = job.stopped().await;
        assert_eq!(stop, Stop::Shutdown);
        Err(stop.into())
    })
    .await;
    let job = bench.submit().await;
    bench.until(&job, |job| job.revision > 2).await;
    bench.engine.shutdown().await;
    let given_back = job.job().await.expect("read");
    let longhaul::model::Status::Pending { reason, .. } = given_back.status else {
        panic!("pending, not {:?}", given_back.status)
    };
    assert_eq!((reason, given_back.attempts), (Reason::Released, 0));
    assert!(
        bench.engine.submit(Nothing {}).await.is_err(),
        "it is shut down"
    );
}

#[tokio::test]
async fn slots_and_priorities_are_kept() {
    use std::sync::{
        Arc, Mutex,
        atomic::{AtomicU32, Ordering},
    };
    let most = Arc::new(AtomicU32::new(0));
    let now = Arc::new(AtomicU32::new(0));
    let order = Arc::new(Mutex::new(Vec::new()));
    let (m, n, o) = (most.clone(), now.clone(), order.clone());
    let bench = Bench::with(
        policy(),
        |builder| builder.concurrency(2),
        move |_, job| {
            let (m, n, o) = (m.clone(), n.clone(), o.clone());
            async move {
                m.fetch_max(n.fetch_add(1, Ordering::SeqCst) + 1, Ordering::SeqCst);
                o.lock().expect("not poisoned").push(job.job().priority);
                tokio::task::yield_now().await;
                n.fetch_sub(1, Ordering::SeqCst);
                Ok(Outcome::Done(0))
            }
        },
    )
    .await;
    let jobs = (0..40).map(|number| job().priority(number % 4)).collect();
    let jobs = bench.engine.submit_many(jobs).await.expect("submitted");
    for job in jobs {
        job.wait().await.expect("ended");
    }
    assert!(most.load(Ordering::SeqCst) <= 2);
    let order = order.lock().expect("not poisoned");
    let highest = order
        .iter()
        .take(10)
        .filter(|priority| **priority == 3)
        .count();
    assert!(highest >= 9, "the urgent ones go first: {order:?}");
}
