//! Monitors: jobs that wait for their next look and are kept by their worker meanwhile.

use longhaul_types::{ItemState, Progress, Reason, State};

use super::lab::{Lab, at, complete, ends, error, fail, item, job, lines, secs, snapshot};
use crate::{
    model::{AttemptEnd, Job, Status},
    store::{End, Insert, Request, Store, Write, Written},
};

/// A job to be looked at again waits for its time, kept by its worker under the same claim; it spends nothing.
pub async fn a_check_keeps_worker_and_claim(store: &dyn Store) {
    let lab = Lab::new(store).await;
    let claim = lab.parked("a").await;
    let found = lab.get(claim.job).await;
    let waits = Status::Pending {
        reason: Reason::Check,
        run_at: Some(at(60)),
        worker: Some(lab.worker.clone()),
    };
    assert_eq!((&found.status, found.claim), (&waits, claim.number));
    assert_eq!((found.attempts, found.error.as_ref()), (0, None));
    assert_eq!(store.attempts(claim.job).await.expect("attempts"), []);
}

/// A parked job is its worker's: nobody is given it, and it makes nobody wake up.
pub async fn a_parked_job_is_not_given(store: &dyn Store) {
    let lab = Lab::new(store).await;
    lab.parked("a").await;
    let other = lab.join("second").await;
    for worker in [&lab.worker, &other] {
        assert_eq!(lab.claim(worker, at(9_999)).await.len(), 0);
    }
    assert_eq!(store.next_due(at(0)).await.expect("next due"), None);
    assert_eq!(store.rescue(at(9_999)).await.expect("rescue"), []);
}

/// A parked job may write without a new claim, and stays parked.
pub async fn a_parked_job_writes(store: &dyn Store) {
    let lab = Lab::new(store).await;
    let claim = lab.parked("a").await;
    let before = lab.get(claim.job).await;
    let done = lab
        .done(Write {
            progress: Some(Progress {
                current: 9,
                ..Progress::default()
            }),
            items: vec![item("a", ItemState::Completed)],
            log: lines(&["looked"]),
            jobs: vec![Insert {
                run_at: Some(at(500)),
                ..job("b")
            }],
            ..Write::new(claim, at(60))
        })
        .await;
    assert_eq!(done.state, State::Pending);
    assert!(done.jobs[0].new && done.revision > before.revision);
    let found = lab.get(claim.job).await;
    assert_eq!((&found.status, found.claim), (&before.status, before.claim));
    assert_eq!((found.progress.current, found.items.completed), (9, 1));
}

/// A parked job may end in every way without a new claim.
pub async fn a_parked_job_ends(store: &dyn Store) {
    let lab = Lab::new(store).await;
    for (n, end) in ends().into_iter().enumerate() {
        let claim = lab.parked(&format!("a-{n}")).await;
        let done = lab
            .done(Write {
                end: Some(end.clone()),
                ..Write::new(claim, at(61))
            })
            .await;
        let found = lab.get(claim.job).await;
        assert_eq!((done.state, found.claim), (found.state(), claim.number));
        see_ended(&lab, &found, &end);
        let attempts = store.attempts(claim.job).await.expect("attempts");
        let expected = match end {
            End::Complete { .. }
            | End::CheckAgain { .. }
            | End::CheckLater { .. }
            | End::Cancelled => None,
            End::Fail { error } | End::Retry { error, .. } => {
                Some((AttemptEnd::Failed, Some(error)))
            }
            End::Release { .. } => Some((AttemptEnd::Released, None)),
        };
        let left: Vec<_> = attempts
            .iter()
            .map(|attempt| (attempt.end, attempt.error.clone()))
            .collect();
        assert_eq!(left, Vec::from_iter(expected));
    }
}

fn see_ended(lab: &Lab<'_>, found: &Job, end: &End) {
    let waits = |reason, worker| Status::Pending {
        reason,
        run_at: Some(at(60)),
        worker,
    };
    let ended = |state| Status::Ended { state, at: at(61) };
    let (status, attempts) = match end {
        End::Complete { .. } => (ended(State::Completed), 0),
        End::Fail { .. } => (ended(State::Failed), 1),
        End::Retry { .. } => (waits(Reason::Retry, None), 1),
        End::CheckAgain { .. } => (waits(Reason::Check, Some(lab.worker.clone())), 0),
        End::CheckLater { .. } => (waits(Reason::Check, None), 0),
        End::Release { .. } => (waits(Reason::Released, None), 0),
        End::Cancelled => (ended(State::Cancelled), 0),
    };
    assert_eq!((&found.status, found.attempts), (&status, attempts));
}

/// Check after check goes on under one claim.
pub async fn checks_go_on(store: &dyn Store) {
    let lab = Lab::new(store).await;
    let claim = lab.parked("a").await;
    for n in 2..=5 {
        let next = End::CheckAgain {
            at: at(n * 60),
            every: secs(60),
        };
        lab.done(Write {
            end: Some(next),
            ..Write::new(claim, at(n * 60 - 60))
        })
        .await;
        let found = lab.get(claim.job).await;
        assert!(
            matches!(found.status, Status::Pending { run_at: Some(due), .. } if due == at(n * 60))
        );
    }
    lab.end(claim, complete()).await;
    let late = lab.write(Write::new(claim, at(999))).await;
    assert_eq!(late, Written::ClaimLost);
}

/// A parked job can not stop because of a cancel that nobody asked for.
pub async fn a_parked_job_is_not_cancelled_unasked(store: &dyn Store) {
    let lab = Lab::new(store).await;
    let claim = lab.parked("a").await;
    let before = snapshot(store, claim.job).await;
    let written = lab
        .write(Write {
            end: Some(End::Cancelled),
            ..Write::new(claim, at(60))
        })
        .await;
    assert!(matches!(written, Written::Refused(_)), "{written:?}");
    assert_eq!(snapshot(store, claim.job).await, before);
}

/// A cancel ends a parked job at once, and its worker's next write is refused.
pub async fn a_cancel_ends_a_parked_job(store: &dyn Store) {
    let lab = Lab::new(store).await;
    let claim = lab.parked("a").await;
    let found = lab.allowed(Request::Cancel, "a", at(5)).await;
    let ended = Status::Ended {
        state: State::Cancelled,
        at: at(5),
    };
    assert_eq!(found.status, ended);
    let before = snapshot(store, claim.job).await;
    for end in [None, Some(complete()), Some(fail()), Some(End::Cancelled)] {
        let late = Write {
            end,
            log: lines(&["late"]),
            ..Write::new(claim, at(60))
        };
        assert_eq!(lab.write(late).await, Written::ClaimLost);
    }
    assert_eq!(snapshot(store, claim.job).await, before);
}

/// After its worker's death a check is due again within its interval, for any worker; no rescue and no attempt count.
pub async fn checks_of_the_dead_are_due_within_their_interval(store: &dyn Store) {
    let lab = Lab::new(store).await;
    let claim = lab.parked("a").await;
    let before = lab.get(claim.job).await;
    let changed = lab.die(&lab.worker, at(1_000)).await;
    let found = lab.get(claim.job).await;
    assert_eq!(changed, std::slice::from_ref(&found));
    let Status::Pending {
        reason: Reason::Check,
        run_at: Some(due),
        worker: None,
    } = found.status
    else {
        panic!("waits for any worker: {found:?}");
    };
    assert!(due >= at(1_000) && due <= at(1_060), "{due}");
    assert_eq!((found.rescues, found.attempts), (0, 0));
    assert!(found.revision > before.revision);
    assert_eq!(store.attempts(claim.job).await.expect("attempts"), []);
    let late = lab.write(Write::new(claim, at(1_000))).await;
    assert_eq!(late, Written::ClaimLost);
    let other = super::lab::worker("second");
    store.join(&other, None, at(1_000)).await.expect("join");
    let claimed = lab.claim(&other, due).await;
    assert_eq!(claimed[0].job.claim, claim.number + 1);
}

/// The checks of a dead worker do not all come at once.
pub async fn checks_of_the_dead_are_spread(store: &dyn Store) {
    let lab = Lab::new(store).await;
    lab.insert(super::lab::jobs("a", 100)).await;
    let claimed = lab.claim(&lab.worker, at(0)).await;
    let every = End::CheckAgain {
        at: at(100),
        every: secs(100),
    };
    let parked = claimed.iter().map(|one| Write {
        end: Some(every.clone()),
        ..Write::new(super::lab::held(one), at(0))
    });
    store.write(parked.collect()).await.expect("write");
    let changed = lab.die(&lab.worker, at(1_000)).await;
    assert_eq!(changed.len(), 100);
    let mut tenths = [0_usize; 11];
    for found in &changed {
        let Status::Pending {
            run_at: Some(due), ..
        } = found.status
        else {
            panic!("waits: {found:?}");
        };
        tenths[usize::try_from(due.since(at(1_000)).as_secs() / 10).expect("small")] += 1;
    }
    assert!(tenths.iter().all(|jobs| *jobs <= 30), "{tenths:?}");
}

/// A check whose interval changed is spread over the new one.
pub async fn the_latest_interval_counts(store: &dyn Store) {
    let lab = Lab::new(store).await;
    let claim = lab.run("a").await;
    for every in [secs(10_000), secs(2)] {
        lab.end(claim, End::CheckAgain { at: at(60), every }).await;
    }
    lab.die(&lab.worker, at(1_000)).await;
    let due = store.next_due(at(1_000)).await.expect("next due");
    assert!(due.expect("waits") <= at(1_002), "{due:?}");
}

/// A check that worked begins a new budget of attempts; what the last failed one said stays to be read.
pub async fn a_check_begins_a_new_budget(store: &dyn Store) {
    let lab = Lab::new(store).await;
    let claim = lab.run("a").await;
    let retry = End::Retry {
        at: at(1),
        error: error("again"),
    };
    lab.end(claim, retry).await;
    let claim = lab.claim_one(at(1)).await;
    assert_eq!(lab.get(claim.job).await.attempts, 1);
    let check = End::CheckAgain {
        at: at(60),
        every: secs(60),
    };
    lab.end(claim, check).await;
    let found = lab.get(claim.job).await;
    assert_eq!((found.attempts, found.error), (0, Some(error("again"))));
    assert_eq!(store.attempts(claim.job).await.expect("attempts").len(), 1);
}

/// Items on which a check worked wait again when somebody else ends the parked job: by a cancel, or at its deadline.
pub async fn the_end_of_a_parked_job_interrupts_items(store: &dyn Store) {
    let lab = Lab::new(store).await;
    let mut brief = job("expired");
    brief.timeout = Some(secs(30));
    let expired = lab.run_job(brief).await;
    let check = End::CheckAgain {
        at: at(60),
        every: secs(60),
    };
    lab.end(expired, check).await;
    let cancelled = lab.parked("cancelled").await;
    for claim in [expired, cancelled] {
        lab.done(Write {
            items: vec![item("looks", ItemState::Running)],
            ..Write::new(claim, at(2))
        })
        .await;
    }
    lab.allowed(Request::Cancel, "cancelled", at(40)).await;
    assert_eq!(store.expire(at(40)).await.expect("expire").len(), 1);
    for claim in [expired, cancelled] {
        let items = snapshot(store, claim.job).await.items;
        assert_eq!(
            (items[0].state, items[0].updated_at),
            (ItemState::Pending, at(40))
        );
    }
}

/// A job to be looked at by whoever comes is nobody's meanwhile, is given when it is due with a new claim number, and has a
/// new budget of attempts; no attempt is noted.
pub async fn a_later_check_is_anybodys(store: &dyn Store) {
    let lab = Lab::new(store).await;
    let claim = lab.run("a").await;
    let retry = End::Retry {
        at: at(2),
        error: error("again"),
    };
    lab.end(claim, retry).await;
    let second = lab.claim_one(at(2)).await;
    lab.end(second, End::CheckLater { at: at(60) }).await;
    let found = lab.get(claim.job).await;
    let waits = Status::Pending {
        reason: Reason::Check,
        run_at: Some(at(60)),
        worker: None,
    };
    assert_eq!((&found.status, found.attempts), (&waits, 0));
    let attempts = store.attempts(claim.job).await.expect("attempts");
    assert_eq!(attempts.len(), 1, "the failed one");
    assert_eq!(store.next_due(at(3)).await.expect("due"), Some(at(60)));
    let other = lab.join("second").await;
    assert_eq!(lab.claim(&other, at(29)).await.len(), 0);
    store.heartbeat(&other, at(29)).await.expect("heartbeat");
    store.heartbeat(&other, at(58)).await.expect("heartbeat");
    let claimed = lab.claim(&other, at(60)).await;
    assert_eq!(claimed[0].job.claim, second.number + 1);
    let late = lab.write(Write::new(second, at(61))).await;
    assert_eq!(late, Written::ClaimLost);
}

/// A job that its worker kept between two checks may become anybody's.
pub async fn a_parked_job_may_be_given_up_to_anybody(store: &dyn Store) {
    let lab = Lab::new(store).await;
    let claim = lab.parked("a").await;
    let done = lab.end(claim, End::CheckLater { at: at(90) }).await;
    assert_eq!(done.state, State::Pending);
    assert_eq!(store.held(&lab.worker).await.expect("held"), [0; 0]);
    assert_eq!(lab.claim(&lab.worker, at(60)).await.len(), 0);
    assert_eq!(lab.claim_one(at(90)).await.number, claim.number + 1);
}
