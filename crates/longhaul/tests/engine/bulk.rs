//! Requests for all jobs of a filter.

use std::time::Duration;

use longhaul::{
    Failure, NewJob, Outcome,
    engine::{Bulk, BulkDone, BulkStep},
    store::Filter,
    types::State,
};

use crate::support::Bench;

fn held(owner: &str, id: &str) -> NewJob {
    NewJob {
        id: Some(id.parse().expect("an id")),
        owner: owner.to_owned(),
        ..NewJob::raw("test.script", "{}").start(longhaul::model::Start::Held)
    }
}

fn step(bulk: Bulk, filter: &Filter, before: Option<i64>, dry: bool) -> BulkStep<'_> {
    BulkStep {
        bulk,
        filter,
        before,
        dry,
    }
}

#[tokio::test]
async fn steps_are_bounded_and_together_reach_everything() {
    let bench = Bench::new(|run, _| async move { Ok(Outcome::Done(run)) }).await;
    for batch in 0..3 {
        let jobs = (0..4_000).map(|n| held("", &format!("{batch}-{n}")));
        bench
            .engine
            .submit_many(jobs.collect())
            .await
            .expect("taken");
    }
    let filter = Filter::default();
    let (mut next, mut matched, mut steps) = (None, 0, 0);
    loop {
        let step = bench
            .engine
            .ask_all(step(Bulk::Cancel, &filter, next, false), |_| true);
        let step = step.await.expect("done");
        assert_eq!((step.done, step.skipped), (step.matched, Vec::new()));
        assert!(step.matched <= 10_000);
        (next, matched, steps) = (step.next, matched + step.matched, steps + 1);
        if next.is_none() {
            break;
        }
    }
    assert_eq!((matched, steps), (12_000, 2));
    let counts = bench.engine.counts(None).await.expect("counts");
    assert_eq!((counts.pending, counts.cancelled), (0, 12_000));
}

#[tokio::test]
async fn jobs_of_one_id_are_asked_each_under_its_owner() {
    let bench = Bench::new(|run, _| async move { Ok(Outcome::Done(run)) }).await;
    let jobs = ["", "anna", "ben"].map(|owner| held(owner, "same"));
    bench.engine.submit_many(jobs.into()).await.expect("taken");
    let annas = Filter {
        owner: Some("anna".to_owned()),
        ..Filter::default()
    };
    let ask = async |filter: &Filter, dry| {
        let step = bench
            .engine
            .ask_all(step(Bulk::Cancel, filter, None, dry), |_| true);
        step.await.expect("done")
    };
    let one = BulkDone {
        matched: 1,
        ..BulkDone::default()
    };
    assert_eq!(ask(&annas, true).await, one, "counted alone");
    assert_eq!(ask(&annas, false).await, BulkDone { done: 1, ..one });
    let rest = ask(&Filter::default(), false).await;
    assert_eq!((rest.matched, rest.done), (2, 2));
    assert_eq!(ask(&Filter::default(), false).await, BulkDone::default());
}

#[tokio::test]
async fn a_cancel_reaches_runs_and_a_retry_what_did_not_work() {
    let bench = Bench::new(|_, job| async move {
        job.stopped().await;
        Err(Failure::fatal("stopped", "told to"))
    })
    .await;
    let running = bench.submit().await;
    bench
        .until(&running, |job| job.state() == State::Running)
        .await;
    let ask = async |bulk, states: &[State]| {
        let filter = Filter {
            states: states.to_vec(),
            ..Filter::default()
        };
        let step = bench
            .engine
            .ask_all(step(bulk, &filter, None, false), |_| true);
        step.await.expect("done").done
    };
    assert_eq!(ask(Bulk::Retry, &[]).await, 0, "nothing has ended");
    assert_eq!(ask(Bulk::Cancel, &[State::Pending]).await, 0);
    assert_eq!(ask(Bulk::Cancel, &[State::Failed]).await, 0);
    assert_eq!(ask(Bulk::Cancel, &[]).await, 1);
    bench
        .advance_until(&running, |job| job.state() == State::Cancelled)
        .await;
    assert_eq!(ask(Bulk::Retry, &[State::Failed]).await, 0);
    assert_eq!(ask(Bulk::Retry, &[]).await, 1);
    // The worker is woken: no time passes.
    bench
        .until(&running, |job| job.state() == State::Running)
        .await;
    tokio::time::timeout(Duration::from_secs(10), bench.engine.shutdown())
        .await
        .expect("it stops");
}
