//! Requests from outside besides cancels: retry by hand, start, remove, and whose jobs they reach.

use longhaul_types::{ItemState, Progress, Reason, State};

use super::{
    all_jobs,
    lab::{Lab, artifact, at, complete, error, fail, id, item, job, lines, names, secs, snapshot},
    runs::everything,
};
use crate::{
    model::Status,
    store::{Asked, End, Filter, Insert, Request, Store, Write},
};

/// A failed or cancelled job gets another go: attempts, rescues, error, result and start are as new; its claim number,
/// checkpoint, log, artifacts, attempts and progress stay.
pub async fn an_ended_job_is_retried(store: &dyn Store) {
    let lab = Lab::new(store).await;
    let claim = lab.run("a").await;
    let mut write = everything(claim);
    write.end = Some(fail());
    lab.done(write).await;
    let before = snapshot(store, claim.job).await;
    let found = lab.allowed(Request::Retry, "a", at(50)).await;
    let waits = Status::Pending {
        reason: Reason::Retry,
        run_at: Some(at(50)),
        worker: None,
    };
    assert_eq!(found.status, waits);
    assert_eq!((found.attempts, found.rescues, found.claim), (0, 0, 1));
    assert_eq!((&found.error, found.started_at), (&None, None));
    let after = snapshot(store, claim.job).await;
    let now = after.detail.expect("is there").job;
    assert_eq!(now, found, "the job as it is now");
    let old = before.detail.expect("was there").job;
    assert!(now.revision > old.revision);
    assert_eq!(
        (now.progress, now.created_at),
        (old.progress, old.created_at)
    );
    assert_eq!((after.log, after.artifacts), (before.log, before.artifacts));
    assert_eq!(
        (after.attempts, after.items),
        (before.attempts, before.items)
    );
    lab.submit(Insert {
        run_at: Some(at(900)),
        ..job("b")
    })
    .await;
    lab.allowed(Request::Cancel, "b", at(51)).await;
    let found = lab.allowed(Request::Retry, "b", at(52)).await;
    assert_eq!(found.state(), State::Pending);
}

/// Failed items run again with their attempts counted from 0; finished ones keep their results.
pub async fn a_retry_runs_failed_items_again(store: &dyn Store) {
    let lab = Lab::new(store).await;
    let claim = lab.run("a").await;
    let items = [
        ("done", ItemState::Completed),
        ("failed", ItemState::Failed),
        ("waiting", ItemState::Pending),
        ("also failed", ItemState::Failed),
    ];
    lab.done(Write {
        items: items.map(|(name, state)| item(name, state)).into(),
        end: Some(End::Complete {
            result: Some("[1]".to_owned()),
        }),
        ..Write::new(claim, at(1))
    })
    .await;
    let found = lab.allowed(Request::Retry, "a", at(2)).await;
    let counts = found.items;
    assert_eq!((counts.total, counts.completed, counts.failed), (4, 1, 0));
    let left = snapshot(store, claim.job).await;
    assert_eq!(left.detail.expect("is there").result, None);
    let states: Vec<_> = left
        .items
        .iter()
        .map(|item| (item.state, item.attempts))
        .collect();
    let again = (ItemState::Pending, 0);
    let expected = [
        (ItemState::Completed, 1),
        again,
        (ItemState::Pending, 1),
        again,
    ];
    assert_eq!(states, expected);
    assert!(left.items[0].result.is_some());
}

/// What has not ended, or completed without a failed item, is not retried.
pub async fn other_jobs_are_not_retried(store: &dyn Store) {
    let lab = Lab::new(store).await;
    let completed = lab.ended("completed", complete()).await;
    let parked = lab.parked("parked").await.job;
    let running = lab.run("running").await.job;
    let pending = lab.submit(job("pending")).await;
    for seq in [completed, parked, running, pending] {
        lab.refused(Request::Retry, seq, at(2)).await;
    }
}

/// A job is not retried while another lives under its unique key, and is when that one has ended.
pub async fn a_retry_obeys_the_unique_key(store: &dyn Store) {
    let lab = Lab::new(store).await;
    let keyed = |name: &str| Insert {
        unique_key: Some("k".to_owned()),
        ..job(name)
    };
    let first = lab.submit(keyed("a")).await;
    lab.allowed(Request::Cancel, "a", at(1)).await;
    lab.submit(keyed("b")).await;
    lab.refused(Request::Retry, first, at(2)).await;
    lab.allowed(Request::Cancel, "b", at(3)).await;
    lab.allowed(Request::Retry, "a", at(4)).await;
    let found = lab.insert(vec![keyed("c")]).await;
    assert_eq!((found[0].seq, found[0].new), (first, false));
}

/// A job that was retried, and ended again, is like any other that ended.
pub async fn a_job_is_retried_again_and_again(store: &dyn Store) {
    let lab = Lab::new(store).await;
    lab.submit(job("a")).await;
    for n in 1..=3 {
        let claim = lab.claim_one(at(n)).await;
        assert_eq!(claim.number, n);
        lab.end(claim, fail()).await;
        let found = lab.allowed(Request::Retry, "a", at(n + 1)).await;
        assert_eq!(found.attempts, 0);
    }
    let seq = all_jobs(store).await[0].seq;
    assert_eq!(store.attempts(seq).await.expect("attempts").len(), 3);
}

/// A held or scheduled job starts now when somebody says so.
pub async fn a_waiting_job_is_started(store: &dyn Store) {
    let lab = Lab::new(store).await;
    let held = Insert {
        reason: Reason::Held,
        run_at: None,
        ..job("held")
    };
    let scheduled = Insert {
        reason: Reason::Scheduled,
        run_at: Some(at(900)),
        ..job("scheduled")
    };
    lab.insert(vec![held, scheduled]).await;
    for name in ["held", "scheduled"] {
        let found = lab.allowed(Request::Start, name, at(5)).await;
        let waits = Status::Pending {
            reason: Reason::New,
            run_at: Some(at(5)),
            worker: None,
        };
        assert_eq!((&found.status, found.revision > 1), (&waits, true));
        assert_eq!(lab.get(found.seq).await, found);
    }
    let claimed = lab.claim(&lab.worker, at(5)).await;
    assert_eq!(names(&claimed), ["held", "scheduled"]);
}

/// A job that waits for its next attempt is tried now when somebody says so, and counts its attempts as before.
pub async fn a_job_between_attempts_is_started(store: &dyn Store) {
    let lab = Lab::new(store).await;
    let claim = lab.run("a").await;
    let retry = End::Retry {
        at: at(500),
        error: error("again"),
    };
    lab.end(claim, retry).await;
    assert_eq!(names(&lab.claim(&lab.worker, at(5)).await), [""; 0]);
    let found = lab.allowed(Request::Start, "a", at(5)).await;
    let waits = Status::Pending {
        reason: Reason::Retry,
        run_at: Some(at(5)),
        worker: None,
    };
    assert_eq!((&found.status, found.attempts), (&waits, 1));
    lab.refused(Request::Start, found.seq, at(5)).await;
    assert_eq!(names(&lab.claim(&lab.worker, at(5)).await), ["a"]);
}

/// What runs, has ended, waits for a slot or for a check is not started by hand.
pub async fn other_jobs_are_not_started(store: &dyn Store) {
    let lab = Lab::new(store).await;
    let ended = lab.ended("ended", complete()).await;
    let parked = lab.parked("parked").await.job;
    let claim = lab.run("released").await;
    lab.end(claim, End::Release { at: at(2) }).await;
    let running = lab.run("running").await.job;
    for seq in [ended, parked, claim.job, running] {
        lab.refused(Request::Start, seq, at(2)).await;
    }
}

/// An ended job is removed with all it left, and answered as it was.
pub async fn an_ended_job_is_removed(store: &dyn Store) {
    let lab = Lab::new(store).await;
    let claim = lab.run("a").await;
    let mut write = everything(claim);
    write.jobs = Vec::new();
    write.end = Some(fail());
    lab.done(write).await;
    let before = lab.get(claim.job).await;
    let found = lab.allowed(Request::Remove, "a", at(2)).await;
    assert_eq!((found.seq, found.state()), (before.seq, State::Failed));
    let left = snapshot(store, claim.job).await;
    assert_eq!(left.detail, None);
    assert_eq!((left.items.len(), left.log.len()), (0, 0));
    assert_eq!((left.artifacts.len(), left.attempts.len()), (0, 0));
    assert_eq!(store.job(None, &id("a")).await.expect("job"), None);
    assert_eq!(lab.ids(&Filter::default()).await, [""; 0]);
    let orphans = store.orphans(vec!["x/out".to_owned()]).await;
    assert_eq!(orphans.expect("orphans"), ["x/out"]);
    for request in [Request::Remove, Request::Cancel, Request::Retry] {
        assert_eq!(lab.ask(request, "a", at(3)).await, Asked::NotFound);
    }
}

/// A new job of the same id has nothing of the one that was removed.
pub async fn a_removed_job_leaves_nothing_behind(store: &dyn Store) {
    let lab = Lab::new(store).await;
    let claim = lab.run("a").await;
    let mut write = everything(claim);
    write.jobs = Vec::new();
    lab.done(write).await;
    lab.allowed(Request::Remove, "a", at(2)).await;
    let seq = lab.submit(job("a")).await;
    assert_ne!(seq, claim.job);
    let left = snapshot(store, seq).await;
    let found = left.detail.expect("is there").job;
    assert_eq!((found.claim, found.progress), (0, Progress::default()));
    assert_eq!((left.items.len(), left.log.len()), (0, 0));
    let claimed = lab.claim(&lab.worker, at(2)).await;
    assert_eq!((claimed[0].job.claim, &claimed[0].checkpoint), (1, &None));
}

/// What has not ended is not removed.
pub async fn living_jobs_are_not_removed(store: &dyn Store) {
    let lab = Lab::new(store).await;
    let parked = lab.parked("parked").await.job;
    let running = lab.run("running").await.job;
    let asked = lab.run("asked").await.job;
    lab.allowed(Request::Cancel, "asked", at(1)).await;
    let pending = lab.submit(job("pending")).await;
    for seq in [parked, running, asked, pending] {
        lab.refused(Request::Remove, seq, at(2)).await;
    }
}

/// Another owner's job is not found by any request, which changes nothing.
pub async fn another_owners_job_is_not_found(store: &dyn Store) {
    let lab = Lab::new(store).await;
    let mine = Insert {
        owner: "anna".to_owned(),
        reason: Reason::Held,
        run_at: None,
        ..job("a")
    };
    let seq = lab.submit(mine).await;
    let ended = lab.ended("ended", fail()).await;
    let before = (snapshot(store, seq).await, snapshot(store, ended).await);
    for request in [
        Request::Cancel,
        Request::Retry,
        Request::Start,
        Request::Remove,
    ] {
        for owner in ["", "ben", "Anna", "anna "] {
            let asked = store.ask(request, Some(owner), vec![id("a")], at(1)).await;
            assert_eq!(asked.expect("ask"), [Asked::NotFound]);
        }
        let asked = store
            .ask(request, Some("anna"), vec![id("ended")], at(1))
            .await;
        assert_eq!(asked.expect("ask"), [Asked::NotFound]);
    }
    assert_eq!(
        (snapshot(store, seq).await, snapshot(store, ended).await),
        before
    );
}

/// Of two owners' jobs with one id a request reaches the named owner's, and without an owner any job is reached.
pub async fn an_owner_reaches_their_own(store: &dyn Store) {
    let lab = Lab::new(store).await;
    let of = |owner: &str, name: &str| Insert {
        owner: owner.to_owned(),
        ..job(name)
    };
    let inserted = lab
        .insert(vec![of("anna", "a"), of("ben", "a"), of("ben", "b")])
        .await;
    let asked = store
        .ask(Request::Cancel, Some("ben"), vec![id("a")], at(1))
        .await;
    assert!(matches!(asked.expect("ask")[0], Asked::Done(_)));
    assert_eq!(lab.state(inserted[0].seq).await, State::Pending);
    assert_eq!(lab.state(inserted[1].seq).await, State::Cancelled);
    let asked = store.ask(Request::Cancel, None, vec![id("b")], at(1)).await;
    assert!(matches!(asked.expect("ask")[0], Asked::Done(_)));
    assert_eq!(lab.state(inserted[2].seq).await, State::Cancelled);
}

/// Log lines after a retry by hand go on with the numbers.
pub async fn numbers_of_lines_go_on_after_a_retry(store: &dyn Store) {
    let lab = Lab::new(store).await;
    let claim = lab.run("a").await;
    lab.done(Write {
        log: lines(&["a", "b"]),
        artifacts: vec![artifact("a", "x/a")],
        end: Some(fail()),
        ..Write::new(claim, at(1))
    })
    .await;
    lab.allowed(Request::Retry, "a", at(2)).await;
    let claim = lab.claim_one(at(2)).await;
    let done = lab
        .done(Write {
            log: lines(&["c"]),
            ..Write::new(claim, at(2) + secs(1))
        })
        .await;
    assert_eq!(done.first_line, 3);
}
