//! Retention: when the sweeper comes, what it removes, and what no artifact refers to.

use std::time::Duration;

use longhaul_types::{Progress, State};

use super::lab::{
    KIND, Lab, OTHER, SWEEP_AFTER, artifact, at, complete, fail, first_after, id, item, job, jobs,
    kind, lines, secs, snapshot,
};
use crate::{
    model::Seq,
    store::{Due, End, Insert, Kind, Request, Store, Sweep, Write},
};

/// A sweep that removes nothing, for good.
fn nothing(seq: Seq) -> Sweep {
    Sweep {
        seq,
        row: false,
        log: false,
        result: false,
        progress: false,
        next: None,
    }
}

fn row(seq: Seq) -> Sweep {
    Sweep {
        row: true,
        ..nothing(seq)
    }
}

/// An ended job is due when its kind's time after the end has passed, and says how it ended.
pub async fn ended_jobs_become_due(store: &dyn Store) {
    let lab = Lab::new(store).await;
    let seq = lab.ended("a", fail()).await;
    lab.run("running").await;
    lab.parked("parked").await;
    lab.submit(job("pending")).await;
    let due = at(1) + SWEEP_AFTER;
    let before = store.sweepable(due - secs(1), 10).await;
    assert_eq!(before.expect("sweepable"), []);
    let expected = Due {
        seq,
        kind: KIND.to_owned(),
        state: State::Failed,
        ended_at: at(1),
    };
    let found = store.sweepable(due, 10).await.expect("sweepable");
    assert_eq!(found, [expected]);
    let years = store.sweepable(at(999_999_999), 10).await;
    assert_eq!(years.expect("sweepable").len(), 1, "only what has ended");
}

/// However a job ends it becomes due.
pub async fn every_end_becomes_due(store: &dyn Store) {
    let lab = Lab::new(store).await;
    lab.ended("completed", complete()).await;
    lab.ended("failed", fail()).await;
    lab.submit(job("cancelled")).await;
    lab.allowed(Request::Cancel, "cancelled", at(1)).await;
    lab.run("stopped").await;
    lab.allowed(Request::Cancel, "stopped", at(1)).await;
    lab.die(&lab.worker, at(1)).await;
    store.join(&lab.worker, None, at(0)).await.expect("join");
    let brief = Insert {
        timeout: Some(secs(1)),
        ..job("expired")
    };
    let claim = lab.run_job(brief).await;
    lab.end(claim, End::Release { at: at(9) }).await;
    store.expire(at(1)).await.expect("expire");
    let found = store.sweepable(at(1) + SWEEP_AFTER, 99).await;
    assert_eq!(found.expect("sweepable").len(), 5);
}

/// A kind's time is the one declared when its job ended.
pub async fn each_kind_has_its_time(store: &dyn Store) {
    let lab = Lab::new(store).await;
    let longer = Kind {
        retention: first_after(Duration::from_hours(5)),
        ..kind(OTHER)
    };
    store.declare(vec![longer]).await.expect("declare");
    let other = Insert {
        kind: OTHER.to_owned(),
        ..job("a")
    };
    let claim = lab.run_job(other).await;
    lab.end(claim, complete()).await;
    let early = store.sweepable(at(1) + SWEEP_AFTER, 9).await;
    assert_eq!(early.expect("sweepable"), []);
    let due = at(1) + Duration::from_hours(5);
    let found = store.sweepable(due, 9).await.expect("sweepable");
    assert_eq!(found[0].kind, OTHER);
}

/// Parts go one by one, the job stays, and the sweeper comes again when it said so.
pub async fn parts_go_in_steps(store: &dyn Store) {
    let lab = Lab::new(store).await;
    let seq = full(&lab, "a").await;
    let before = snapshot(store, seq).await;
    let log = Sweep {
        log: true,
        next: Some(at(90_000)),
        ..nothing(seq)
    };
    assert_eq!(store.sweep(vec![log]).await.expect("sweep"), [""; 0]);
    let found = snapshot(store, seq).await;
    assert_eq!((found.log.len(), &found.items), (0, &before.items));
    assert_eq!(
        (&found.artifacts, &found.attempts),
        (&before.artifacts, &before.attempts)
    );
    let detail = found.detail.expect("is there");
    assert!(detail.result.is_some() && detail.job.progress.current == 7);
    assert!(detail.job.revision > before.detail.expect("was there").job.revision);
    let early = store.sweepable(at(89_999), 9).await;
    assert_eq!(early.expect("sweepable"), []);
    let due = store.sweepable(at(90_000), 9).await.expect("sweepable");
    assert_eq!(due[0].seq, seq);
    let rest = Sweep {
        result: true,
        progress: true,
        ..nothing(seq)
    };
    store.sweep(vec![rest]).await.expect("sweep");
    let detail = lab.detail(seq).await;
    assert_eq!(detail.job.state(), State::Completed);
    assert_eq!(
        (detail.result, detail.job.progress),
        (None, Progress::default())
    );
    let done = store.sweepable(at(999_999_999), 9).await;
    assert_eq!(done.expect("sweepable"), [], "it does not come again");
}

/// A completed job with something of everything.
async fn full(lab: &Lab<'_>, name: &str) -> Seq {
    let claim = lab.run(name).await;
    lab.done(Write {
        progress: Some(Progress {
            current: 7,
            ..Progress::default()
        }),
        items: vec![item("a", longhaul_types::ItemState::Completed)],
        log: lines(&["a", "b"]),
        artifacts: vec![
            artifact("one", &format!("{name}/one")),
            artifact("two", &format!("{name}/two")),
        ],
        end: Some(End::Complete {
            result: Some("[1]".to_owned()),
        }),
        ..Write::new(claim, at(1))
    })
    .await;
    claim.job
}

/// A row goes with all that belongs to it, its artifacts' places are answered, and its id is free.
pub async fn rows_go_with_all_they_have(store: &dyn Store) {
    let lab = Lab::new(store).await;
    let gone = full(&lab, "gone").await;
    let kept = full(&lab, "kept").await;
    let before = snapshot(store, kept).await;
    let mut places = store.sweep(vec![row(gone)]).await.expect("sweep");
    places.sort();
    assert_eq!(places, ["gone/one", "gone/two"]);
    let left = snapshot(store, gone).await;
    assert_eq!(left.detail, None);
    assert_eq!((left.items.len(), left.log.len()), (0, 0));
    assert_eq!((left.artifacts.len(), left.attempts.len()), (0, 0));
    assert_eq!(snapshot(store, kept).await, before);
    assert!(lab.submit(job("gone")).await > kept);
}

/// A job that was retried since it was found due is not swept: it does not stand at its end any more.
pub async fn a_retried_job_is_not_swept(store: &dyn Store) {
    let lab = Lab::new(store).await;
    let claim = lab.run("a").await;
    lab.done(Write {
        log: lines(&["a"]),
        artifacts: vec![artifact("a", "x/a")],
        end: Some(fail()),
        ..Write::new(claim, at(1))
    })
    .await;
    let due = store.sweepable(at(90_000), 9).await.expect("sweepable");
    assert_eq!(due.len(), 1);
    lab.allowed(Request::Retry, "a", at(90_000)).await;
    let before = snapshot(store, claim.job).await;
    let all = Sweep {
        log: true,
        result: true,
        progress: true,
        next: Some(at(1)),
        ..nothing(claim.job)
    };
    let places = store.sweep(vec![row(claim.job), all]).await.expect("sweep");
    assert_eq!(places, [""; 0]);
    assert_eq!(snapshot(store, claim.job).await, before);
    let due = store.sweepable(at(999_999), 9).await.expect("sweepable");
    assert_eq!(due, [], "it waits");
    let claim = lab.claim_one(at(90_000)).await;
    lab.done(Write {
        end: Some(fail()),
        ..Write::new(claim, at(90_001))
    })
    .await;
    let due = store.sweepable(at(90_001) + SWEEP_AFTER, 9).await;
    assert_eq!(due.expect("sweepable")[0].ended_at, at(90_001));
}

/// What is not there is swept without error, and a job that runs is left alone.
pub async fn unknown_and_living_jobs_are_not_swept(store: &dyn Store) {
    let lab = Lab::new(store).await;
    let claim = lab.run("a").await;
    let before = snapshot(store, claim.job).await;
    let sweeps = vec![row(claim.job), row(claim.job + 1), row(0), row(Seq::MAX)];
    assert_eq!(store.sweep(sweeps).await.expect("sweep"), [""; 0]);
    assert_eq!(store.sweep(Vec::new()).await.expect("sweep"), [""; 0]);
    assert_eq!(snapshot(store, claim.job).await, before);
}

/// The sweeper gets no more than it asked for, and reaches all in turn.
pub async fn sweeps_go_in_batches(store: &dyn Store) {
    let lab = Lab::new(store).await;
    let ids: Vec<_> = jobs("a", 25).into_iter().map(|job| job.id).collect();
    lab.insert(jobs("a", 25)).await;
    store
        .ask(Request::Cancel, None, ids, at(1))
        .await
        .expect("ask");
    for expected in [10, 10, 5, 0] {
        let due = store.sweepable(at(90_000), 10).await.expect("sweepable");
        assert_eq!(due.len(), expected);
        let rows = due.iter().map(|due| row(due.seq));
        store.sweep(rows.collect()).await.expect("sweep");
    }
    assert_eq!(super::all_jobs(store).await, []);
}

/// Numbers of log lines are not used again after a sweep of the log.
pub async fn numbers_of_swept_lines_are_not_used_again(store: &dyn Store) {
    let lab = Lab::new(store).await;
    let claim = lab.run("a").await;
    lab.done(Write {
        log: lines(&["a", "b", "c"]),
        end: Some(fail()),
        ..Write::new(claim, at(1))
    })
    .await;
    let log = Sweep {
        log: true,
        ..nothing(claim.job)
    };
    store.sweep(vec![log]).await.expect("sweep");
    lab.allowed(Request::Retry, "a", at(2)).await;
    let claim = lab.claim_one(at(2)).await;
    let done = lab
        .done(Write {
            log: lines(&["d"]),
            ..Write::new(claim, at(3))
        })
        .await;
    assert_eq!(done.first_line, 4);
    let log = store.log(claim.job, 0, 9).await.expect("log");
    assert_eq!(log.iter().map(|line| line.number).collect::<Vec<_>>(), [4]);
}

/// Of given places those are orphans that no artifact of any job refers to: replaced ones, removed jobs' ones, unknown.
pub async fn orphans_are_found(store: &dyn Store) {
    let lab = Lab::new(store).await;
    full(&lab, "gone").await;
    let claim = lab.run("kept").await;
    for place in ["old", "new"] {
        lab.done(Write {
            artifacts: vec![artifact("a", place)],
            ..Write::new(claim, at(1))
        })
        .await;
    }
    lab.allowed(Request::Remove, "gone", at(2)).await;
    let asked = ["new", "unknown", "gone/one", "old", "", "new%", "NEW"];
    let places = asked.iter().map(|place| (*place).to_owned()).collect();
    let orphans = store.orphans(places).await.expect("orphans");
    assert_eq!(orphans, ["unknown", "gone/one", "old", "", "new%", "NEW"]);
    let none = store.orphans(Vec::new()).await.expect("orphans");
    assert_eq!(none, [""; 0]);
    assert!(store.job(None, &id("kept")).await.expect("job").is_some());
}
