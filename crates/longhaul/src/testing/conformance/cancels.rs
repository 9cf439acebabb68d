//! Cancels, and what they race with: once a cancel is acknowledged the job ends only as cancelled.

use longhaul_types::{ItemState, Reason, State};

use super::lab::{
    Lab, at, complete, done, ends, error, fail, held, id, item, job, lines, secs, snapshot,
};
use crate::{
    model::{AttemptEnd, Status},
    store::{Asked, End, Insert, Request, Store, Write, Written},
};

/// A pending job ends at once, whatever it waits for.
pub async fn a_pending_job_ends_at_once(store: &dyn Store) {
    let lab = Lab::new(store).await;
    let scheduled = Insert {
        reason: Reason::Scheduled,
        run_at: Some(at(500)),
        ..job("scheduled")
    };
    let held = Insert {
        reason: Reason::Held,
        run_at: None,
        ..job("held")
    };
    let claim = lab.run("retry").await;
    let retry = End::Retry {
        at: at(50),
        error: error("again"),
    };
    lab.end(claim, retry).await;
    lab.insert(vec![scheduled, held, job("new")]).await;
    for name in ["scheduled", "held", "new", "retry"] {
        let before = store.job(None, &id(name)).await.expect("job");
        let found = lab.allowed(Request::Cancel, name, at(7)).await;
        let ended = Status::Ended {
            state: State::Cancelled,
            at: at(7),
        };
        assert_eq!(found.status, ended);
        assert!(found.revision > before.expect("is there").revision);
        assert_eq!(found, lab.get(found.seq).await, "the job as it is now");
    }
    assert_eq!(lab.claim(&lab.worker, at(999)).await.len(), 0);
    assert_eq!(store.attempts(claim.job).await.expect("attempts").len(), 1);
}

/// A running job runs on with the request noted; asking twice is no error and changes nothing.
pub async fn a_running_job_is_asked_to_stop(store: &dyn Store) {
    let lab = Lab::new(store).await;
    let claim = lab.run("a").await;
    let before = lab.get(claim.job).await;
    let found = lab.allowed(Request::Cancel, "a", at(7)).await;
    let running = Status::Running {
        worker: lab.worker.clone(),
        since: at(0),
        cancel_requested: Some(at(7)),
    };
    assert_eq!(found.status, running);
    assert!(found.revision > before.revision && found.cancel_requested());
    let twice = lab.allowed(Request::Cancel, "a", at(9)).await;
    assert_eq!(twice, found);
    assert_eq!(lab.get(claim.job).await, found);
}

/// The worker learns of it at its heartbeat, of its own jobs alone, until the run has ended.
pub async fn the_worker_learns_of_it(store: &dyn Store) {
    let lab = Lab::new(store).await;
    let other = lab.join("second").await;
    let first = lab.run("a").await;
    lab.submit(job("b")).await;
    let second = held(&lab.claim(&other, at(0)).await[0]);
    let third = lab.run("c").await;
    for name in ["a", "b"] {
        lab.allowed(Request::Cancel, name, at(1)).await;
    }
    let told = async |worker| {
        let heartbeat = store.heartbeat(worker, at(2)).await.expect("heartbeat");
        assert!(heartbeat.held);
        heartbeat.cancelled
    };
    assert_eq!(told(&lab.worker).await, [first.job]);
    assert_eq!(told(&other).await, [second.job]);
    assert_eq!(told(&lab.worker).await, [first.job], "until it has stopped");
    lab.end(first, End::Cancelled).await;
    assert_eq!(told(&lab.worker).await, [0; 0]);
    assert!(!lab.get(third.job).await.cancel_requested());
}

/// Until it has stopped a run may write, and each answer says that a cancel is requested.
pub async fn a_run_writes_until_it_stops(store: &dyn Store) {
    let lab = Lab::new(store).await;
    let claim = lab.run("a").await;
    let say = || Write {
        items: vec![item("finished", ItemState::Completed)],
        log: lines(&["stops"]),
        ..Write::new(claim, at(2))
    };
    assert!(!lab.done(say()).await.cancel_requested);
    lab.allowed(Request::Cancel, "a", at(1)).await;
    let done = lab.done(say()).await;
    assert!(done.cancel_requested && done.state == State::Running);
    let done = lab.end(claim, End::Cancelled).await;
    assert_eq!(done.state, State::Cancelled);
    let left = snapshot(store, claim.job).await;
    assert_eq!(
        left.items[0].state,
        ItemState::Completed,
        "finished items are kept"
    );
    assert_eq!(left.log.len(), 2);
}

/// Whatever the run ends with, the job ends as cancelled: without result or new error, and no attempt is spent.
pub async fn every_end_obeys_a_cancel(store: &dyn Store) {
    let lab = Lab::new(store).await;
    for (n, end) in ends().into_iter().chain([End::Cancelled]).enumerate() {
        let name = format!("a-{n}");
        let claim = lab.run(&name).await;
        lab.allowed(Request::Cancel, &name, at(1)).await;
        let done = lab
            .done(Write {
                end: Some(end.clone()),
                ..Write::new(claim, at(8))
            })
            .await;
        assert_eq!(done.state, State::Cancelled, "{end:?}");
        let detail = lab.detail(claim.job).await;
        let ended = Status::Ended {
            state: State::Cancelled,
            at: at(8),
        };
        assert_eq!(detail.job.status, ended);
        assert_eq!((detail.result, detail.job.error), (None, None));
        assert_eq!(detail.job.attempts, 0);
        let attempts = store.attempts(claim.job).await.expect("attempts");
        assert_eq!(attempts.len(), 1, "{end:?}");
        assert_eq!(attempts[0].end, AttemptEnd::Cancelled);
        let late = lab.write(Write::new(claim, at(9))).await;
        assert_eq!(late, Written::ClaimLost);
    }
}

/// An end that comes before the cancel stands.
pub async fn an_end_before_the_cancel_stands(store: &dyn Store) {
    let lab = Lab::new(store).await;
    for (n, end) in [complete(), fail()].into_iter().enumerate() {
        let seq = lab.ended(&format!("a-{n}"), end).await;
        lab.refused(Request::Cancel, seq, at(2)).await;
    }
    let seq = lab.submit(job("b")).await;
    lab.allowed(Request::Cancel, "b", at(2)).await;
    lab.refused(Request::Cancel, seq, at(3)).await;
}

/// A cancel that comes between an end that gives the job back and its next claim ends it at once.
pub async fn a_cancel_between_two_runs_ends_the_job(store: &dyn Store) {
    let lab = Lab::new(store).await;
    let back = [
        End::Release { at: at(1) },
        End::Retry {
            at: at(1),
            error: error("again"),
        },
        End::CheckAgain {
            at: at(1),
            every: secs(1),
        },
    ];
    for (n, end) in back.into_iter().enumerate() {
        let name = format!("a-{n}");
        let claim = lab.run(&name).await;
        lab.end(claim, end).await;
        let found = lab.allowed(Request::Cancel, &name, at(2)).await;
        assert_eq!(found.state(), State::Cancelled);
        assert_eq!(lab.claim(&lab.worker, at(999)).await.len(), 0);
    }
}

/// A job whose worker dies after the cancel ends as cancelled at the rescue.
pub async fn a_rescue_obeys_a_cancel(store: &dyn Store) {
    let lab = Lab::new(store).await;
    let claim = lab.run("a").await;
    lab.allowed(Request::Cancel, "a", at(1)).await;
    let changed = lab.die(&lab.worker, at(4)).await;
    let found = lab.get(claim.job).await;
    assert_eq!(changed, std::slice::from_ref(&found));
    let ended = Status::Ended {
        state: State::Cancelled,
        at: at(4),
    };
    assert_eq!((found.status, found.error), (ended, None));
    let attempts = store.attempts(claim.job).await.expect("attempts");
    assert_eq!(attempts.len(), 1);
}

/// A cancel after the rescue ends the job, which then waits, at once.
pub async fn a_cancel_after_the_rescue_ends_the_job(store: &dyn Store) {
    let lab = Lab::new(store).await;
    let claim = lab.run("a").await;
    lab.die(&lab.worker, at(4)).await;
    let found = lab.allowed(Request::Cancel, "a", at(5)).await;
    assert_eq!(found.state(), State::Cancelled);
    assert_eq!(
        lab.write(Write::new(claim, at(6))).await,
        Written::ClaimLost
    );
}

/// A request of the run before does not reach the next run of a job that was retried by hand.
pub async fn a_retried_job_is_not_asked_to_stop(store: &dyn Store) {
    let lab = Lab::new(store).await;
    let claim = lab.run("a").await;
    lab.allowed(Request::Cancel, "a", at(1)).await;
    lab.end(claim, End::Cancelled).await;
    lab.allowed(Request::Retry, "a", at(2)).await;
    let claim = lab.claim_one(at(2)).await;
    assert!(!lab.get(claim.job).await.cancel_requested());
    let heartbeat = store
        .heartbeat(&lab.worker, at(3))
        .await
        .expect("heartbeat");
    assert_eq!(heartbeat.cancelled, [0; 0]);
    assert_eq!(lab.end(claim, complete()).await.state, State::Completed);
}

/// Many are asked for at once, and answered in order, each on its own; one asked for twice is cancelled once.
pub async fn many_are_cancelled_at_once(store: &dyn Store) {
    let lab = Lab::new(store).await;
    let ended = lab.ended("ended", complete()).await;
    lab.run("running").await;
    lab.submit(job("pending")).await;
    let ids = ["pending", "unknown", "ended", "running", "pending"].map(id);
    let asked = store.ask(Request::Cancel, None, ids.into(), at(3)).await;
    let asked = asked.expect("ask");
    let Asked::Done(pending) = &asked[0] else {
        panic!("cancelled, not {:?}", asked[0]);
    };
    assert_eq!(pending.state(), State::Cancelled);
    assert_eq!(asked[1], Asked::NotFound);
    assert!(matches!(asked[2], Asked::Illegal(_)), "{asked:?}");
    let Asked::Done(running) = &asked[3] else {
        panic!("asked to stop, not {:?}", asked[3]);
    };
    assert!(running.cancel_requested());
    assert!(
        matches!(asked[4], Asked::Illegal(_)),
        "it has ended: {asked:?}"
    );
    assert_eq!(lab.state(ended).await, State::Completed);
    let none = store.ask(Request::Cancel, None, Vec::new(), at(3)).await;
    assert_eq!(none.expect("ask"), []);
}

/// A cancel and an end that come at the same moment: one of the two orders, and never an end that was lost.
pub async fn a_cancel_and_an_end_at_once(store: &dyn Store) {
    let lab = Lab::new(store).await;
    for n in 0..20 {
        let name = format!("a-{n}");
        let claim = lab.run(&name).await;
        let end = Write {
            end: Some(complete()),
            ..Write::new(claim, at(1))
        };
        let (asked, written) = futures_util::join!(
            store.ask(Request::Cancel, None, vec![id(&name)], at(1)),
            store.write(vec![end]),
        );
        let (asked, written) = (asked.expect("ask"), written.expect("write"));
        let state = done(written[0].clone()).state;
        match &asked[0] {
            Asked::Done(_) => assert_eq!(state, State::Cancelled),
            Asked::Illegal(_) => assert_eq!(state, State::Completed),
            Asked::NotFound => panic!("the job is there"),
        }
        assert_eq!(lab.state(claim.job).await, state);
    }
}
