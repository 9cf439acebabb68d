//! Claims: which jobs a worker gets, in which order, and what a claim does to a job.

use std::collections::BTreeSet;

use futures_util::future::join_all;
use longhaul_types::{Reason, State};

use super::lab::{
    KIND, Lab, OTHER, QUEUE, at, complete, held, id, job, jobs, names, request, secs, worker,
};
use crate::{
    model::{Seq, Status},
    store::{ClaimRequest, End, Insert, Request, Store, Write},
};

/// Highest priority first, then oldest.
pub async fn priority_goes_first(store: &dyn Store) {
    let lab = Lab::new(store).await;
    let of = |name, priority| Insert {
        priority,
        ..job(name)
    };
    let mixed = vec![
        of("low", -5),
        of("first", 0),
        of("top", i16::MAX),
        of("second", 0),
        of("bottom", i16::MIN),
        of("high", 5),
    ];
    lab.insert(mixed).await;
    let mut slots = request(&lab.worker, at(0));
    slots.slots[0].1 = 2;
    let claimed = store.claim(slots).await.expect("claim");
    assert_eq!(names(&claimed), ["top", "high"]);
    let claimed = lab.claim(&lab.worker, at(0)).await;
    assert_eq!(names(&claimed), ["first", "second", "low", "bottom"]);
}

/// A job that waited longer does not overtake an older one that became due later.
pub async fn age_is_the_order_of_submission(store: &dyn Store) {
    let lab = Lab::new(store).await;
    let later = Insert {
        reason: Reason::Scheduled,
        run_at: Some(at(9)),
        ..job("older")
    };
    lab.insert(vec![later, job("younger")]).await;
    let claimed = lab.claim(&lab.worker, at(9)).await;
    assert_eq!(names(&claimed), ["older", "younger"]);
}

/// Only what is due is given; a held job never is.
pub async fn only_due_jobs_are_given(store: &dyn Store) {
    let lab = Lab::new(store).await;
    let scheduled = Insert {
        reason: Reason::Scheduled,
        run_at: Some(at(10)),
        ..job("scheduled")
    };
    let held = Insert {
        reason: Reason::Held,
        run_at: None,
        priority: 9,
        ..job("held")
    };
    lab.insert(vec![scheduled, held]).await;
    assert_eq!(names(&lab.claim(&lab.worker, at(9)).await), [""; 0]);
    let claimed = lab.claim(&lab.worker, at(10)).await;
    assert_eq!(names(&claimed), ["scheduled"]);
    assert_eq!(names(&lab.claim(&lab.worker, at(9_999)).await), [""; 0]);
}

/// Each queue gives up to its free slots, and a queue that is not asked for gives nothing.
pub async fn slots_are_counted_by_queue(store: &dyn Store) {
    let lab = Lab::new(store).await;
    for queue in ["a", "b", "c", "d"] {
        let mut many = jobs(queue, 5);
        for one in &mut many {
            queue.clone_into(&mut one.queue);
        }
        lab.insert(many).await;
    }
    let slots = [("a", 2), ("b", 9), ("c", 0), ("none", 3)];
    let asked = ClaimRequest {
        slots: slots.map(|(queue, free)| (queue.to_owned(), free)).into(),
        ..request(&lab.worker, at(0))
    };
    let claimed = store.claim(asked.clone()).await.expect("claim");
    let expected = ["a-0", "a-1", "b-0", "b-1", "b-2", "b-3", "b-4"];
    let found: BTreeSet<&str> = names(&claimed).into_iter().collect();
    assert_eq!(found, BTreeSet::from(expected));
    assert_eq!(claimed.len(), expected.len());
    let claimed = store.claim(asked).await.expect("claim");
    assert_eq!(names(&claimed), ["a-2", "a-3"]);
}

/// Only kinds that the worker has registered are given, whatever stands before them.
pub async fn only_registered_kinds_are_given(store: &dyn Store) {
    let lab = Lab::new(store).await;
    let other = Insert {
        kind: OTHER.to_owned(),
        priority: 9,
        ..job("other")
    };
    lab.insert(vec![other, job("mine")]).await;
    let mut mine = request(&lab.worker, at(0));
    mine.kinds = Vec::new();
    let claimed = store.claim(mine.clone()).await.expect("claim");
    assert_eq!(names(&claimed), [""; 0]);
    mine.kinds = vec![KIND.to_owned()];
    mine.slots[0].1 = 1;
    let claimed = store.claim(mine.clone()).await.expect("claim");
    assert_eq!(names(&claimed), ["mine"]);
    let claimed = store.claim(mine).await.expect("claim");
    assert_eq!(names(&claimed), [""; 0]);
}

/// Jobs of every owner are given.
pub async fn owners_do_not_matter(store: &dyn Store) {
    let lab = Lab::new(store).await;
    let of = |owner: &str| Insert {
        owner: owner.to_owned(),
        ..job("a")
    };
    lab.insert(vec![of("anna"), of("ben"), of("")]).await;
    let claimed = lab.claim(&lab.worker, at(0)).await;
    let owners: Vec<&str> = claimed.iter().map(|one| one.job.owner.as_str()).collect();
    assert_eq!(owners, ["anna", "ben", ""]);
}

/// A claimed job runs: with a higher claim number and revision, its worker, and its start.
pub async fn a_claim_makes_a_job_run(store: &dyn Store) {
    let lab = Lab::new(store).await;
    let insert = Insert {
        args_version: 4,
        args: "{ \"as\":  \"it stands\" }".to_owned(),
        ..job("a")
    };
    let seq = lab.submit(insert).await;
    let before = lab.get(seq).await;
    let claimed = lab.claim(&lab.worker, at(5)).await;
    let one = &claimed[0];
    assert_eq!(
        (one.args_version, one.args.as_str()),
        (4, "{ \"as\":  \"it stands\" }")
    );
    assert_eq!(one.checkpoint, None);
    assert_eq!(one.job, lab.get(seq).await, "the job as it is now");
    let running = Status::Running {
        worker: lab.worker.clone(),
        since: at(5),
        cancel_requested: None,
    };
    assert_eq!(one.job.status, running);
    assert_eq!((one.job.claim, before.claim), (1, 0));
    assert_eq!(one.job.started_at, Some(at(5)));
    assert!(one.job.revision > before.revision);
    assert_eq!(one.job.attempts, 0, "attempts count what failed");
}

/// A claim says since when its job was due, whatever it waited for.
pub async fn a_claim_says_since_when_its_job_was_due(store: &dyn Store) {
    let lab = Lab::new(store).await;
    let scheduled = Insert {
        reason: Reason::Scheduled,
        run_at: Some(at(10)),
        ..job("scheduled")
    };
    lab.insert(vec![scheduled, job("new")]).await;
    let claimed = lab.claim(&lab.worker, at(25)).await;
    assert_eq!(names(&claimed), ["scheduled", "new"]);
    assert_eq!(claimed[0].due, at(10), "not when it was submitted");
    assert_eq!(claimed[1].due, at(0), "not when it was claimed");
    lab.end(held(&claimed[0]), End::Release { at: at(40) })
        .await;
    lab.end(held(&claimed[1]), super::lab::fail()).await;
    lab.allowed(Request::Retry, "new", at(30)).await;
    let claimed = lab.claim(&lab.worker, at(50)).await;
    assert_eq!(names(&claimed), ["scheduled", "new"]);
    assert_eq!(claimed[0].due, at(40), "when it was to go on");
    assert_eq!(claimed[1].due, at(30), "when it was retried");
}

/// Every claim raises the number, and the first start stays.
pub async fn claim_numbers_rise(store: &dyn Store) {
    let lab = Lab::new(store).await;
    lab.submit(job("a")).await;
    for number in 1..=3 {
        let now = at(number * 10);
        let claimed = lab.claim(&lab.worker, now).await;
        assert_eq!(claimed[0].job.claim, number);
        assert_eq!(claimed[0].job.started_at, Some(at(10)));
        let release = End::Release { at: now };
        lab.end(held(&claimed[0]), release).await;
    }
}

/// What is claimed is not given again.
pub async fn a_job_is_given_once(store: &dyn Store) {
    let lab = Lab::new(store).await;
    let other = lab.join("second").await;
    lab.insert(jobs("a", 3)).await;
    assert_eq!(lab.claim(&lab.worker, at(0)).await.len(), 3);
    assert_eq!(lab.claim(&other, at(0)).await.len(), 0);
    assert_eq!(lab.claim(&lab.worker, at(9_999)).await.len(), 0);
}

/// Workers that claim at the same moment never get the same job, and together get all.
pub async fn simultaneous_claims_share(store: &dyn Store) {
    let lab = Lab::new(store).await;
    lab.insert(jobs("a", 100)).await;
    let workers: Vec<_> = (0..10).map(|n| worker(&format!("w{n}"))).collect();
    for worker in &workers {
        let joined = store.join(worker, Some(secs(30)), at(0)).await;
        joined.expect("join");
    }
    let claims = workers.iter().map(|worker| async {
        let mut got: Vec<Seq> = Vec::new();
        loop {
            let mut some = request(worker, at(0));
            some.slots[0].1 = 3;
            let claimed = store.claim(some).await.expect("claim");
            if claimed.is_empty() {
                break got;
            }
            got.extend(claimed.iter().map(|one| one.job.seq));
        }
    });
    let got: Vec<Seq> = join_all(claims).await.concat();
    assert_eq!(got.len(), 100);
    let different: BTreeSet<Seq> = got.into_iter().collect();
    assert_eq!(different.len(), 100);
}

/// A worker that never joined, left, or whose lease is over gets nothing.
pub async fn only_living_workers_claim(store: &dyn Store) {
    let lab = Lab::new(store).await;
    let leased = lab.join("leased").await;
    lab.submit(job("a")).await;
    assert_eq!(lab.claim(&worker("stranger"), at(0)).await.len(), 0);
    assert_eq!(
        lab.claim(&leased, at(31)).await.len(),
        0,
        "its lease is over"
    );
    store.leave(&lab.worker).await.expect("leave");
    assert_eq!(lab.claim(&lab.worker, at(0)).await.len(), 0);
    let claimed = lab.claim(&leased, at(29)).await;
    assert_eq!(names(&claimed), ["a"]);
    assert_eq!(lab.state(claimed[0].job.seq).await, State::Running);
}

/// The next claim brings the latest checkpoint.
pub async fn a_checkpoint_comes_with_the_next_claim(store: &dyn Store) {
    let lab = Lab::new(store).await;
    let claim = lab.run("a").await;
    for text in ["{\"at\":1}", "{ \"at\": 2 }"] {
        lab.done(Write {
            checkpoint: Some(text.to_owned()),
            ..Write::new(claim, at(1))
        })
        .await;
    }
    lab.end(claim, End::Release { at: at(1) }).await;
    let claimed = lab.claim(&lab.worker, at(1)).await;
    assert_eq!(claimed[0].checkpoint.as_deref(), Some("{ \"at\": 2 }"));
}

/// What was retried by hand is given like any other, under a higher number, with its checkpoint.
pub async fn a_retried_job_is_given_again(store: &dyn Store) {
    let lab = Lab::new(store).await;
    let claim = lab.run("a").await;
    lab.done(Write {
        checkpoint: Some("7".to_owned()),
        end: Some(super::lab::fail()),
        ..Write::new(claim, at(1))
    })
    .await;
    lab.allowed(Request::Retry, "a", at(2)).await;
    assert_eq!(lab.claim(&lab.worker, at(1)).await.len(), 0);
    let claimed = lab.claim(&lab.worker, at(2)).await;
    assert_eq!(claimed[0].job.claim, 2);
    assert_eq!(claimed[0].job.started_at, Some(at(2)));
    assert_eq!(claimed[0].checkpoint.as_deref(), Some("7"));
}

/// What has ended, and what waits for a later time, is not given.
pub async fn ended_and_waiting_jobs_are_not_given(store: &dyn Store) {
    let lab = Lab::new(store).await;
    lab.ended("done", complete()).await;
    lab.submit(job("cancelled")).await;
    lab.allowed(Request::Cancel, "cancelled", at(0)).await;
    let claim = lab.run("later").await;
    lab.end(claim, End::Release { at: at(50) }).await;
    assert_eq!(lab.claim(&lab.worker, at(49)).await.len(), 0);
    let claimed = lab.claim(&lab.worker, at(50)).await;
    assert_eq!(claimed[0].job.id, id("later"));
    assert_eq!(claimed[0].job.queue, QUEUE);
}
