//! Recovery: leases by the time that is handed in, rescue from dead workers, deadlines, and when something is next due.

use longhaul_types::{ErrorCode, ItemState, Progress, Reason, State};

use super::lab::{Lab, at, complete, error, held, item, job, lines, names, secs, worker};
use crate::{
    model::{AttemptEnd, Status, transition::MAX_RESCUES},
    store::{End, Heartbeat, Insert, Request, Store, Write},
};

/// A dead worker's jobs wait for another at once: no attempt is spent, the rescue is counted, and the run is noted.
pub async fn jobs_of_the_dead_are_rescued(store: &dyn Store) {
    let lab = Lab::new(store).await;
    let claim = lab.run("a").await;
    let before = lab.get(claim.job).await;
    let changed = lab.die(&lab.worker, at(9)).await;
    let found = lab.get(claim.job).await;
    assert_eq!(changed, std::slice::from_ref(&found));
    let waits = Status::Pending {
        reason: Reason::Rescued,
        run_at: Some(at(9)),
        worker: None,
    };
    assert_eq!(found.status, waits);
    assert_eq!((found.rescues, found.attempts, found.error), (1, 0, None));
    assert_eq!((found.claim, found.started_at), (claim.number, Some(at(0))));
    assert!(found.revision > before.revision);
    let attempts = store.attempts(claim.job).await.expect("attempts");
    assert_eq!(attempts.len(), 1);
    assert_eq!(attempts[0].end, AttemptEnd::Rescued);
    assert_eq!((attempts[0].claim, &attempts[0].worker), (1, &lab.worker));
    assert_eq!(
        (attempts[0].started_at, attempts[0].ended_at),
        (at(0), at(9))
    );
    assert_eq!(store.rescue(at(99)).await.expect("rescue"), [], "once");
}

/// Jobs of living workers, and jobs of nobody, are left alone.
pub async fn only_the_dead_lose_their_jobs(store: &dyn Store) {
    let lab = Lab::new(store).await;
    let other = lab.join("second").await;
    lab.ended("ended", complete()).await;
    let mine = lab.run("mine").await;
    let parked = lab.parked("parked").await;
    lab.submit(job("theirs")).await;
    let theirs = held(&lab.claim(&other, at(0)).await[0]);
    let waiting = lab.submit(job("waiting")).await;
    assert_eq!(store.rescue(at(29)).await.expect("rescue"), []);
    let before = [
        lab.get(mine.job).await,
        lab.get(parked.job).await,
        lab.get(waiting).await,
    ];
    let changed = lab.die(&other, at(29)).await;
    let found: Vec<_> = changed.iter().map(|job| job.seq).collect();
    assert_eq!(found, [theirs.job]);
    let after = [
        lab.get(mine.job).await,
        lab.get(parked.job).await,
        lab.get(waiting).await,
    ];
    assert_eq!(before, after);
}

/// A leased worker holds its jobs until its lease ends, by the time that is handed in.
pub async fn a_lease_ends(store: &dyn Store) {
    let lab = Lab::new(store).await;
    let leased = lab.join("leased").await;
    lab.submit(job("a")).await;
    lab.claim(&leased, at(0)).await;
    assert_eq!(store.rescue(at(29)).await.expect("rescue"), []);
    let changed = store.rescue(at(31)).await.expect("rescue");
    assert_eq!(changed.len(), 1);
    assert_eq!(changed[0].state(), State::Pending);
}

/// A heartbeat renews the lease from its own time on.
pub async fn a_heartbeat_renews_the_lease(store: &dyn Store) {
    let lab = Lab::new(store).await;
    let leased = lab.join("leased").await;
    lab.submit(job("a")).await;
    lab.claim(&leased, at(0)).await;
    for seconds in [20, 45, 70] {
        let heartbeat = store.heartbeat(&leased, at(seconds)).await;
        assert!(heartbeat.expect("heartbeat").held, "at {seconds}");
    }
    assert_eq!(store.rescue(at(99)).await.expect("rescue"), []);
    assert_eq!(store.rescue(at(101)).await.expect("rescue").len(), 1);
}

/// A heartbeat after the end of the lease is told so and renews nothing, before and after the rescue; an unknown worker
/// holds nothing.
pub async fn a_late_heartbeat_holds_nothing(store: &dyn Store) {
    let lab = Lab::new(store).await;
    let leased = lab.join("leased").await;
    lab.submit(job("a")).await;
    lab.claim(&leased, at(0)).await;
    lab.allowed(Request::Cancel, "a", at(1)).await;
    for _ in 0..2 {
        let late = store.heartbeat(&leased, at(31)).await.expect("heartbeat");
        assert_eq!(late, Heartbeat::default());
    }
    assert_eq!(store.rescue(at(32)).await.expect("rescue").len(), 1);
    for name in ["leased", "never joined"] {
        let found = store.heartbeat(&worker(name), at(33)).await;
        assert_eq!(found.expect("heartbeat"), Heartbeat::default());
    }
}

/// At the very end of a lease its worker holds its jobs or has lost them, and both sides agree.
pub async fn the_end_of_a_lease_is_one_moment(store: &dyn Store) {
    let lab = Lab::new(store).await;
    let leased = lab.join("leased").await;
    lab.submit(job("a")).await;
    lab.claim(&leased, at(0)).await;
    let rescued = store.rescue(at(30)).await.expect("rescue").len();
    let heartbeat = store.heartbeat(&leased, at(30)).await.expect("heartbeat");
    assert_eq!(heartbeat.held, rescued == 0);
}

/// A worker without a lease holds its jobs for ever, until another without one joins; leased ones stay.
pub async fn a_new_owner_replaces_the_one_before(store: &dyn Store) {
    let lab = Lab::new(store).await;
    let leased = lab.join("leased").await;
    let mine = lab.run("a").await;
    lab.submit(job("b")).await;
    lab.claim(&leased, at(0)).await;
    store.heartbeat(&leased, at(20)).await.expect("heartbeat");
    let years = at(400 * 24 * 3_600);
    assert!(
        store
            .heartbeat(&lab.worker, years)
            .await
            .expect("heartbeat")
            .held
    );
    store
        .join(&worker("next"), None, at(40))
        .await
        .expect("join");
    let found = store.heartbeat(&lab.worker, at(40)).await;
    assert_eq!(found.expect("heartbeat"), Heartbeat::default());
    let changed = store.rescue(at(40)).await.expect("rescue");
    let found: Vec<_> = changed.iter().map(|job| job.seq).collect();
    assert_eq!(found, [mine.job]);
    assert!(
        store
            .heartbeat(&worker("next"), years)
            .await
            .expect("heartbeat")
            .held
    );
}

/// A worker that joins again, as after a pause, is not its own successor.
pub async fn joining_twice_is_no_death(store: &dyn Store) {
    let lab = Lab::new(store).await;
    lab.run("a").await;
    store.join(&lab.worker, None, at(5)).await.expect("join");
    assert_eq!(store.rescue(at(5)).await.expect("rescue"), []);
    let leased = lab.join("leased").await;
    let joined = store.join(&leased, Some(secs(100)), at(10)).await;
    joined.expect("join");
    assert!(
        store
            .heartbeat(&leased, at(99))
            .await
            .expect("heartbeat")
            .held
    );
}

/// A worker whose life is over is another when it joins again under its name: what it held is rescued all the same.
pub async fn nobody_inherits_from_their_name(store: &dyn Store) {
    let lab = Lab::new(store).await;
    let left = lab.run("left").await;
    lab.allowed(Request::Cancel, "left", at(1)).await;
    store.leave(&lab.worker).await.expect("leave");
    store.join(&lab.worker, None, at(2)).await.expect("join");
    let mine = lab.run("mine").await;
    let heartbeat = store.heartbeat(&lab.worker, at(2)).await;
    assert_eq!(heartbeat.expect("heartbeat").cancelled, [0; 0]);
    assert_eq!(store.held(&lab.worker).await.expect("held"), [mine.job]);
    let leased = lab.join("leased").await;
    let lapsed = lab.submit(job("lapsed")).await;
    lab.claim(&leased, at(3)).await;
    let joined = store.join(&leased, Some(secs(30)), at(40)).await;
    joined.expect("join");
    let changed = store.rescue(at(41)).await.expect("rescue");
    let found: Vec<_> = changed.iter().map(|job| job.seq).collect();
    assert_eq!(found, [left.job, lapsed]);
}

/// A worker holds what it runs and what it keeps between two checks, until the end.
pub async fn a_worker_knows_what_it_holds(store: &dyn Store) {
    let lab = Lab::new(store).await;
    let other = lab.join("second").await;
    let ended = lab.run("ended").await;
    let parked = lab.parked("parked").await;
    let running = lab.run("running").await;
    lab.submit(job("theirs")).await;
    let theirs = held(&lab.claim(&other, at(0)).await[0]);
    lab.submit(job("waiting")).await;
    let holds = async |name: &str| {
        let mut held = store.held(&worker(name)).await.expect("held");
        held.sort_unstable();
        held
    };
    assert_eq!(holds("first").await, [ended.job, parked.job, running.job]);
    assert_eq!(holds("second").await, [theirs.job]);
    assert_eq!(holds("never joined").await, [0; 0]);
    lab.end(ended, complete()).await;
    lab.end(running, End::Release { at: at(1) }).await;
    assert_eq!(holds("first").await, [parked.job]);
    lab.die(&lab.worker, at(2)).await;
    assert_eq!(holds("first").await, [0; 0]);
}

/// Items on which a dead worker's run worked wait again.
pub async fn a_rescue_interrupts_items(store: &dyn Store) {
    let lab = Lab::new(store).await;
    let claim = lab.run("a").await;
    lab.done(Write {
        items: vec![item("a", ItemState::Running), item("b", ItemState::Failed)],
        ..Write::new(claim, at(1))
    })
    .await;
    lab.die(&lab.worker, at(9)).await;
    let items = store.items(claim.job, None, None, 9).await.expect("items");
    let found = (items[0].state, items[0].attempts, items[0].updated_at);
    assert_eq!(found, (ItemState::Pending, 1, at(9)));
    let other = (items[1].state, items[1].updated_at);
    assert_eq!(other, (ItemState::Failed, at(1)));
}

/// Leaving is no error for a worker that is not there.
pub async fn leaving_twice_is_no_error(store: &dyn Store) {
    let lab = Lab::new(store).await;
    for name in ["first", "first", "never joined"] {
        store.leave(&worker(name)).await.expect("leave");
    }
    assert_eq!(lab.claim(&lab.worker, at(0)).await.len(), 0);
}

/// One more rescue of the job: its worker claims it and dies.
async fn lose(lab: &Lab<'_>, n: u64) -> crate::model::Job {
    let worker = worker(&format!("w{n}"));
    let joined = lab.store.join(&worker, None, at(n)).await;
    joined.expect("join");
    assert_eq!(lab.claim(&worker, at(n)).await.len(), 1);
    lab.die(&worker, at(n)).await.remove(0)
}

/// A job that kills its workers does not loop for ever.
pub async fn patience_ends(store: &dyn Store) {
    let lab = Lab::new(store).await;
    let seq = lab.submit(job("a")).await;
    for n in 1..=MAX_RESCUES {
        let found = lose(&lab, u64::from(n)).await;
        assert_eq!((found.rescues, found.state()), (n, State::Pending));
    }
    let found = lose(&lab, 99).await;
    let ended = Status::Ended {
        state: State::Failed,
        at: at(99),
    };
    assert_eq!(found.status, ended);
    let code = found.error.as_ref().expect("an error").code.as_str();
    assert_eq!(code, ErrorCode::WorkerLost.as_str());
    assert_eq!(found.attempts, 0);
    assert_eq!(found, lab.get(seq).await);
    let attempts = store.attempts(seq).await.expect("attempts");
    assert_eq!(attempts.len(), MAX_RESCUES as usize + 1);
    let found = lab.allowed(Request::Retry, "a", at(100)).await;
    assert_eq!((found.rescues, found.error), (0, None), "patience is new");
}

/// The count of rescues begins anew when the job advances: by a checkpoint or a completed item, and by nothing else.
pub async fn an_advance_renews_patience(store: &dyn Store) {
    let lab = Lab::new(store).await;
    lab.submit(job("a")).await;
    assert_eq!(lose(&lab, 1).await.rescues, 1);
    store.join(&lab.worker, None, at(2)).await.expect("join");
    let claim = lab.claim_one(at(2)).await;
    let write = Write::new(claim, at(3));
    lab.done(Write {
        progress: Some(Progress::default()),
        items: vec![
            item("a", ItemState::Running),
            item("b", ItemState::Failed),
            item("c", ItemState::Pending),
        ],
        log: lines(&["a"]),
        ..write.clone()
    })
    .await;
    assert_eq!(lab.get(claim.job).await.rescues, 1);
    lab.done(Write {
        checkpoint: Some("1".to_owned()),
        ..write
    })
    .await;
    assert_eq!(lab.get(claim.job).await.rescues, 0);
    lab.end(claim, End::Release { at: at(3) }).await;
    assert_eq!(lose(&lab, 4).await.rescues, 1);
    store.join(&lab.worker, None, at(5)).await.expect("join");
    let claim = lab.claim_one(at(5)).await;
    lab.done(Write {
        items: vec![item("a", ItemState::Completed)],
        ..Write::new(claim, at(5))
    })
    .await;
    assert_eq!(lab.get(claim.job).await.rescues, 0);
}

fn brief(name: &str, timeout: u64) -> Insert {
    Insert {
        timeout: Some(secs(timeout)),
        ..job(name)
    }
}

/// A pending job whose time since its first start is over fails; a running one is its worker's to stop, and one that
/// never started has all its time.
pub async fn deadlines_pass(store: &dyn Store) {
    let lab = Lab::new(store).await;
    let waits = lab.run_job(brief("waits", 30)).await;
    lab.end(waits, End::Release { at: at(900) }).await;
    let long = lab.run_job(brief("long", 9_000)).await;
    lab.end(long, End::Release { at: at(900) }).await;
    let runs = lab.run_job(brief("runs", 30)).await;
    let claim = lab.run("unlimited").await;
    lab.end(claim, End::Release { at: at(900) }).await;
    lab.submit(brief("new", 30)).await;
    assert_eq!(store.expire(at(29)).await.expect("expire"), []);
    let changed = store.expire(at(31)).await.expect("expire");
    let found = lab.get(waits.job).await;
    assert_eq!(changed, std::slice::from_ref(&found));
    let ended = Status::Ended {
        state: State::Failed,
        at: at(31),
    };
    assert_eq!(found.status, ended);
    let code = found.error.expect("an error").code;
    assert_eq!(code, ErrorCode::Deadline.as_str());
    assert_eq!(found.attempts, 0);
    assert_eq!(lab.state(runs.job).await, State::Running);
    assert_eq!(store.expire(at(32)).await.expect("expire"), [], "once");
}

/// Time counts from the first start through all that follows, and anew after a retry by hand.
pub async fn a_deadline_counts_from_the_first_start(store: &dyn Store) {
    let lab = Lab::new(store).await;
    let claim = lab.run_job(brief("a", 30)).await;
    let retry = End::Retry {
        at: at(20),
        error: error("again"),
    };
    lab.end(claim, retry).await;
    let claim = lab.claim_one(at(20)).await;
    lab.end(claim, End::Release { at: at(25) }).await;
    assert_eq!(store.expire(at(31)).await.expect("expire").len(), 1);
    let found = lab.allowed(Request::Retry, "a", at(40)).await;
    assert_eq!((found.started_at, found.error), (None, None));
    let claim = lab.claim_one(at(50)).await;
    lab.end(claim, End::Release { at: at(60) }).await;
    assert_eq!(store.expire(at(79)).await.expect("expire"), []);
    assert_eq!(store.expire(at(81)).await.expect("expire").len(), 1);
}

/// A parked monitor's deadline passes like any pending job's.
pub async fn a_parked_job_expires(store: &dyn Store) {
    let lab = Lab::new(store).await;
    let claim = lab.run_job(brief("a", 30)).await;
    let check = End::CheckAgain {
        at: at(20),
        every: secs(20),
    };
    lab.end(claim, check).await;
    let changed = store.expire(at(31)).await.expect("expire");
    assert_eq!(changed.len(), 1);
    assert_eq!(changed[0].state(), State::Failed);
}

/// At a deadline the store wakes whoever asks when something is due, and then it has passed.
pub async fn deadlines_are_due(store: &dyn Store) {
    let lab = Lab::new(store).await;
    let claim = lab.run_job(brief("a", 30)).await;
    lab.end(claim, End::Release { at: at(900) }).await;
    let due = store.next_due(at(10)).await.expect("next due");
    assert_eq!(due, Some(at(30)));
    assert_eq!(store.expire(at(30)).await.expect("expire").len(), 1);
    assert_eq!(store.next_due(at(30)).await.expect("next due"), None);
}

/// The next due time is that of the earliest pending job, now when one is due, and none when nobody waits for a time.
pub async fn the_next_due_time_is_known(store: &dyn Store) {
    let lab = Lab::new(store).await;
    let due = async |now| store.next_due(at(now)).await.expect("next due");
    assert_eq!(due(0).await, None);
    let held = Insert {
        reason: Reason::Held,
        run_at: None,
        ..job("held")
    };
    let scheduled = |name: &str, seconds| Insert {
        reason: Reason::Scheduled,
        run_at: Some(at(seconds)),
        ..job(name)
    };
    lab.submit(held).await;
    assert_eq!(due(0).await, None);
    let both = vec![scheduled("later", 80), scheduled("sooner", 50)];
    lab.insert(both).await;
    assert_eq!(due(0).await, Some(at(50)));
    assert_eq!(due(50).await, Some(at(50)));
    assert_eq!(due(60).await, Some(at(60)), "now, as one is due");
    lab.allowed(Request::Cancel, "sooner", at(0)).await;
    assert_eq!(due(60).await, Some(at(80)));
    assert_eq!(names(&lab.claim(&lab.worker, at(80)).await), ["later"]);
    assert_eq!(due(90).await, None, "it runs");
    lab.allowed(Request::Start, "held", at(90)).await;
    assert_eq!(due(90).await, Some(at(90)));
}
