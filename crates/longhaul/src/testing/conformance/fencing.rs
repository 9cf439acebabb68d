//! Fencing: a run writes as long as its claim holds the job, and an end is accepted exactly once.

use longhaul_types::{ItemState, State};

use super::{
    all_jobs,
    lab::{
        Lab, artifact, at, complete, ends, error, fail, held, item, job, jobs, lines, secs,
        snapshot,
    },
};
use crate::{
    model::{Claim, Seq, Status},
    store::{End, Request, Store, Write, Written},
};

/// Writes with one thing each, as a run that does not know that it lost its job would send them.
fn every_write(claim: Claim) -> Vec<Write> {
    let empty = Write::new(claim, at(99));
    let mut writes = vec![
        empty.clone(),
        Write {
            progress: Some(longhaul_types::Progress {
                current: 77,
                ..Default::default()
            }),
            ..empty.clone()
        },
        Write {
            checkpoint: Some("\"stale\"".to_owned()),
            ..empty.clone()
        },
        Write {
            items: vec![item("stale", ItemState::Completed)],
            ..empty.clone()
        },
        Write {
            log: lines(&["stale"]),
            ..empty.clone()
        },
        Write {
            artifacts: vec![artifact("stale", "x/stale")],
            ..empty.clone()
        },
        Write {
            jobs: jobs("stale", 2),
            ..empty.clone()
        },
    ];
    let ends = ends().into_iter().chain([End::Cancelled]);
    writes.extend(ends.map(|end| Write {
        end: Some(end),
        ..empty.clone()
    }));
    writes
}

/// Sees that this claim can not write anything, one by one and in one call.
async fn see_lost(store: &dyn Store, claim: Claim) {
    let before = (snapshot(store, claim.job).await, all_jobs(store).await);
    for write in every_write(claim) {
        let written = store.write(vec![write.clone()]).await.expect("write");
        assert_eq!(written, [Written::ClaimLost], "{write:?}");
    }
    let written = store.write(every_write(claim)).await.expect("write");
    let lost = |one: &Written| *one == Written::ClaimLost;
    assert!(written.iter().all(lost), "{written:?}");
    let after = (snapshot(store, claim.job).await, all_jobs(store).await);
    assert_eq!(after, before, "nothing was written");
}

/// A job that was never claimed, or does not exist, can not be written to.
pub async fn nothing_is_written_without_a_claim(store: &dyn Store) {
    let lab = Lab::new(store).await;
    let seq = lab.submit(job("a")).await;
    for number in [0, 1] {
        see_lost(store, Claim { job: seq, number }).await;
    }
    for unknown in [seq + 1, 0, -1, Seq::MAX] {
        see_lost(
            store,
            Claim {
                job: unknown,
                number: 1,
            },
        )
        .await;
    }
}

/// Another number than the job's is refused, also a higher one.
pub async fn another_number_is_refused(store: &dyn Store) {
    let lab = Lab::new(store).await;
    let claim = lab.run("a").await;
    for number in [0, claim.number + 1, i64::MAX as u64] {
        see_lost(store, Claim { number, ..claim }).await;
    }
    assert_eq!(lab.end(claim, complete()).await.state, State::Completed);
}

/// A worker that was thought dead can not write after the rescue, nor after another worker's claim; that one can.
pub async fn a_stale_run_writes_nothing(store: &dyn Store) {
    let lab = Lab::new(store).await;
    let stale = lab.run("a").await;
    lab.done(Write {
        checkpoint: Some("\"good\"".to_owned()),
        ..Write::new(stale, at(1))
    })
    .await;
    lab.die(&lab.worker, at(2)).await;
    see_lost(store, stale).await;
    let other = lab.join("second").await;
    let claimed = lab.claim(&other, at(3)).await;
    assert_eq!(claimed[0].checkpoint.as_deref(), Some("\"good\""));
    see_lost(store, stale).await;
    let done = lab.end(held(&claimed[0]), complete()).await;
    assert_eq!(done.state, State::Completed);
    see_lost(store, stale).await;
}

/// The same worker that lost a job and claimed it again writes under its new claim only.
pub async fn an_earlier_claim_of_the_same_worker_is_stale(store: &dyn Store) {
    let lab = Lab::new(store).await;
    let stale = lab.run("a").await;
    lab.end(stale, End::Release { at: at(1) }).await;
    see_lost(store, stale).await;
    let claim = lab.claim_one(at(1)).await;
    assert!(claim.number > stale.number);
    see_lost(store, stale).await;
    lab.done(Write::new(claim, at(2))).await;
}

/// After every end that gives the job away, its run can not write any more.
pub async fn a_run_that_ended_writes_nothing(store: &dyn Store) {
    let lab = Lab::new(store).await;
    for (n, end) in ends().into_iter().enumerate() {
        if matches!(end, End::CheckAgain { .. }) {
            continue;
        }
        let claim = lab.run(&format!("a-{n}")).await;
        lab.end(claim, end).await;
        see_lost(store, claim).await;
    }
}

/// Of two ends, in one call or two, the first is accepted.
pub async fn an_end_is_accepted_once(store: &dyn Store) {
    let lab = Lab::new(store).await;
    let claim = lab.run("a").await;
    let end = |end| Write {
        end: Some(end),
        ..Write::new(claim, at(1))
    };
    let written = store.write(vec![end(complete()), end(fail())]).await;
    let written = written.expect("write");
    assert!(matches!(
        written[0],
        Written::Done {
            state: State::Completed,
            ..
        }
    ));
    assert_eq!(written[1], Written::ClaimLost);
    assert_eq!(lab.write(end(complete())).await, Written::ClaimLost);
    assert_eq!(lab.state(claim.job).await, State::Completed);
}

/// A retry by hand does not give an old run its job back: the number is kept, and the next claim raises it.
pub async fn a_retry_by_hand_keeps_the_number(store: &dyn Store) {
    let lab = Lab::new(store).await;
    let stale = lab.run("a").await;
    lab.end(stale, fail()).await;
    let found = lab.allowed(Request::Retry, "a", at(2)).await;
    assert_eq!(found.claim, stale.number);
    see_lost(store, stale).await;
    let claim = lab.claim_one(at(2)).await;
    assert_eq!(claim.number, stale.number + 1);
    see_lost(store, stale).await;
    lab.end(claim, complete()).await;
}

/// A job that was removed takes no write.
pub async fn a_removed_job_takes_no_write(store: &dyn Store) {
    let lab = Lab::new(store).await;
    let claim = lab.parked("a").await;
    lab.allowed(Request::Cancel, "a", at(1)).await;
    lab.allowed(Request::Remove, "a", at(1)).await;
    see_lost(store, claim).await;
    let next = lab.run("a").await;
    assert_ne!(next.job, claim.job);
    see_lost(store, claim).await;
}

/// A parked job whose worker died, and which another worker looks at now, is lost to the first.
pub async fn a_stale_check_writes_nothing(store: &dyn Store) {
    let lab = Lab::new(store).await;
    let stale = lab.parked("a").await;
    lab.die(&lab.worker, at(2)).await;
    see_lost(store, stale).await;
    let other = super::lab::worker("second");
    store.join(&other, None, at(200)).await.expect("join");
    let claimed = lab.claim(&other, at(200)).await;
    let claim = held(&claimed[0]);
    let check = End::CheckAgain {
        at: at(300),
        every: secs(60),
    };
    lab.end(claim, check).await;
    see_lost(store, stale).await;
    let found = lab.get(claim.job).await;
    assert!(matches!(found.status, Status::Pending { worker: Some(by), .. } if by == other));
}

/// A job that failed for its deadline, or for its workers' deaths, is lost to whoever held it.
pub async fn a_job_that_was_failed_takes_no_write(store: &dyn Store) {
    let lab = Lab::new(store).await;
    let mut brief = job("a");
    brief.timeout = Some(secs(30));
    let claim = lab.run_job(brief).await;
    let check = End::CheckAgain {
        at: at(60),
        every: secs(60),
    };
    lab.end(claim, check).await;
    let failed = store.expire(at(31)).await.expect("expire");
    assert_eq!(failed.len(), 1);
    see_lost(store, claim).await;
    assert_ne!(lab.get(claim.job).await.error, Some(error("final")));
}
