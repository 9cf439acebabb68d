//! Runs: what they write, and how they end.

use longhaul_types::{ItemCounts, ItemState, Level, Progress, Reason, State};
use serde_json::json;

use super::{
    lab::{
        KIND, Lab, OTHER, artifact, at, complete, done, error, fail, id, item, job, jobs, lines,
        snapshot,
    },
    limits,
};
use crate::{
    model::{Attempt, AttemptEnd, Claim, Status},
    store::{End, Error, Insert, ItemWrite, LogWrite, Request, Store, Write, Written},
};

/// Progress replaces the one before and comes back whole.
pub async fn progress_is_replaced(store: &dyn Store) {
    let lab = Lab::new(store).await;
    let claim = lab.run("a").await;
    let full = Progress {
        current: u64::MAX,
        total: Some(u64::MAX),
        unit: Some("bytes".to_owned()),
        percentage: Some(100),
        current_task: Some("reads".to_owned()),
        rate: Some(12.5),
        time_left: Some(0.25),
        metadata: [("deep".to_owned(), json!({"list": [1, "two", null]}))]
            .into_iter()
            .collect(),
    };
    let less = Progress {
        current: 3,
        ..Progress::default()
    };
    for progress in [full, less] {
        lab.done(Write {
            progress: Some(progress.clone()),
            ..Write::new(claim, at(1))
        })
        .await;
        assert_eq!(lab.get(claim.job).await.progress, progress);
    }
    lab.done(Write::new(claim, at(1))).await;
    assert_eq!(lab.get(claim.job).await.progress.current, 3, "it stays");
}

/// Items are added at the end under their names, changed in place, and counted.
pub async fn items_are_kept_by_name(store: &dyn Store) {
    let lab = Lab::new(store).await;
    let claim = lab.run("a").await;
    let declared = ["c", "a", "b"].map(|name| item(name, ItemState::Pending));
    lab.done(Write {
        items: declared.into(),
        ..Write::new(claim, at(1))
    })
    .await;
    let changed = vec![
        item("b", ItemState::Completed),
        item("new", ItemState::Running),
        item("c", ItemState::Running),
        item("c", ItemState::Failed),
    ];
    lab.done(Write {
        items: changed,
        ..Write::new(claim, at(2))
    })
    .await;
    let counts = lab.get(claim.job).await.items;
    let expected = ItemCounts {
        total: 4,
        completed: 1,
        failed: 1,
    };
    assert_eq!(counts, expected);
    let items = snapshot(store, claim.job).await.items;
    let names: Vec<&str> = items.iter().map(|item| item.name.as_str()).collect();
    assert_eq!(names, ["c", "a", "b", "new"]);
    assert_eq!(items[0].state, ItemState::Failed);
    assert_eq!(items[0].error, Some(error("no such part")));
    assert_eq!(items[2].result, Some(json!({"of": "b"})));
    let times: Vec<_> = items.iter().map(|item| item.updated_at).collect();
    assert_eq!(times, [at(2), at(1), at(2), at(2)]);
}

/// A change of an item replaces all that was said of it.
pub async fn an_item_is_replaced_whole(store: &dyn Store) {
    let lab = Lab::new(store).await;
    let claim = lab.run("a").await;
    let states = [ItemState::Failed, ItemState::Completed, ItemState::Pending];
    for (state, attempts) in states.into_iter().zip(1..) {
        let written = ItemWrite {
            attempts,
            ..item("a", state)
        };
        lab.done(Write {
            items: vec![written.clone()],
            ..Write::new(claim, at(1))
        })
        .await;
        let found = &snapshot(store, claim.job).await.items[0];
        assert_eq!((found.state, found.attempts), (state, attempts));
        assert_eq!(found.error, written.error);
        assert_eq!(found.result.is_some(), written.result.is_some());
    }
    let counts = lab.get(claim.job).await.items;
    assert_eq!((counts.total, counts.completed, counts.failed), (1, 0, 0));
}

/// Items that were worked on when their run ended wait again, however it ended, and keep what else was said of them.
pub async fn an_end_interrupts_items(store: &dyn Store) {
    let lab = Lab::new(store).await;
    for (n, end) in super::lab::ends().into_iter().enumerate() {
        let claim = lab.run(&format!("a-{n}")).await;
        let running = ItemWrite {
            attempts: 4,
            error: Some(error("last time")),
            ..item("running", ItemState::Running)
        };
        lab.done(Write {
            items: vec![running, item("done", ItemState::Completed)],
            ..Write::new(claim, at(1))
        })
        .await;
        lab.done(Write {
            items: vec![item("late", ItemState::Running)],
            end: Some(end.clone()),
            ..Write::new(claim, at(5))
        })
        .await;
        let items = snapshot(store, claim.job).await.items;
        let found: Vec<_> = items
            .iter()
            .map(|item| (item.state, item.updated_at))
            .collect();
        let waits = (ItemState::Pending, at(5));
        assert_eq!(
            found,
            [waits, (ItemState::Completed, at(1)), waits],
            "{end:?}"
        );
        assert_eq!(
            (items[0].attempts, &items[0].error),
            (4, &Some(error("last time")))
        );
    }
}

/// Artifacts are kept by name; the same name again replaces.
pub async fn artifacts_are_kept_by_name(store: &dyn Store) {
    let lab = Lab::new(store).await;
    let claim = lab.run("a").await;
    lab.done(Write {
        artifacts: vec![artifact("b", "x/1"), artifact("a", "x/2")],
        ..Write::new(claim, at(1))
    })
    .await;
    let mut larger = artifact("b", "x/3");
    larger.artifact.size = u64::from(u32::MAX) + 7;
    larger.artifact.created_at = at(9);
    lab.done(Write {
        artifacts: vec![larger.clone()],
        ..Write::new(claim, at(2))
    })
    .await;
    let stored = store.artifacts(claim.job).await.expect("artifacts");
    assert_eq!(stored, [artifact("a", "x/2"), larger]);
}

/// A write of one artifact of this size.
fn file(claim: Claim, name: &str, size: u64) -> Write {
    let mut stored = artifact(name, &format!("x/{name}"));
    stored.artifact.size = size;
    Write {
        artifacts: vec![stored],
        ..Write::new(claim, at(1))
    }
}

async fn run_of(lab: &Lab<'_>, owner: &str, name: &str) -> Claim {
    let brief = Insert {
        owner: owner.to_owned(),
        ..job(name)
    };
    lab.run_job(brief).await
}

/// The bytes of an owner's artifacts are known: replaced ones are not counted, nor those of removed jobs.
pub async fn artifacts_count_as_their_owners(store: &dyn Store) {
    let lab = Lab::new(store).await;
    let disk = async |owner| store.disk(owner).await.expect("disk");
    assert_eq!(disk("anna").await, 0);
    let first = run_of(&lab, "anna", "a").await;
    let second = run_of(&lab, "anna", "b").await;
    lab.done(file(first, "one", 40)).await;
    lab.done(file(first, "two", 7)).await;
    lab.done(file(second, "one", 11)).await;
    assert_eq!(disk("anna").await, 58);
    lab.done(file(first, "one", 5)).await;
    assert_eq!((disk("anna").await, disk("berta").await), (23, 0));
    lab.end(first, complete()).await;
    assert_eq!(disk("anna").await, 23);
    let removed = store.ask(Request::Remove, None, vec![id("a")], at(2)).await;
    removed.expect("removed");
    assert_eq!(disk("anna").await, 11);
}

/// An artifact that is too much for its owner is refused with all of its write; others write on, and whoever has no name
/// has no limit.
pub async fn artifacts_past_their_owners_limit_are_refused(store: &dyn Store) {
    let lab = Lab::new(store).await;
    let anna = run_of(&lab, "anna", "a").await;
    lab.done(file(anna, "one", 60)).await;
    let before = snapshot(store, anna.job).await;
    let over = Write {
        log: lines(&["never"]),
        items: vec![item("never", ItemState::Completed)],
        ..file(anna, "two", 41)
    };
    let limit = limits().owner_disk;
    let owner = "anna".to_owned();
    let refused = Written::Refused(Error::DiskLimit { owner, limit });
    assert_eq!(lab.write(over).await, refused);
    assert_eq!(snapshot(store, anna.job).await, before);
    lab.done(file(anna, "two", 40)).await;
    assert!(matches!(
        lab.write(file(anna, "two", 41)).await,
        Written::Refused(_)
    ));
    // One that takes the place of another counts as the difference.
    lab.done(file(anna, "one", 59)).await;
    lab.done(file(anna, "two", 41)).await;
    let berta = run_of(&lab, "berta", "b").await;
    lab.done(file(berta, "one", limit)).await;
    let nobody = lab.run("c").await;
    lab.done(file(nobody, "one", limit + 1)).await;
}

/// Every accepted write raises the revision, also one that says nothing new, and the answer tells it.
pub async fn every_write_raises_the_revision(store: &dyn Store) {
    let lab = Lab::new(store).await;
    let claim = lab.run("a").await;
    let mut revision = lab.get(claim.job).await.revision;
    let empty = Write::new(claim, at(1));
    let writes = [
        empty.clone(),
        Write {
            log: lines(&["a"]),
            ..empty.clone()
        },
        Write {
            progress: Some(Progress::default()),
            ..empty.clone()
        },
        Write {
            items: vec![item("a", ItemState::Pending)],
            ..empty.clone()
        },
        Write {
            checkpoint: Some("1".to_owned()),
            ..empty.clone()
        },
        Write {
            artifacts: vec![artifact("a", "x/1")],
            ..empty.clone()
        },
        Write {
            jobs: vec![job("b")],
            ..empty.clone()
        },
        Write {
            end: Some(complete()),
            ..empty
        },
    ];
    for write in writes {
        let done = lab.done(write.clone()).await;
        assert!(done.revision > revision, "{write:?} raises {revision}");
        assert_eq!(done.revision, lab.get(claim.job).await.revision);
        revision = done.revision;
    }
}

/// A completed job has its result and its end, no error, and leaves no attempt.
pub async fn a_run_completes(store: &dyn Store) {
    let lab = Lab::new(store).await;
    let claim = lab.run("a").await;
    let retry = End::Retry {
        at: at(1),
        error: error("again"),
    };
    lab.end(claim, retry).await;
    let claim = lab.claim_one(at(2)).await;
    let done = lab
        .done(Write {
            end: Some(End::Complete {
                result: Some("{\"made\": [1, 2]}".to_owned()),
            }),
            ..Write::new(claim, at(3))
        })
        .await;
    assert_eq!(
        (done.state, done.cancel_requested),
        (State::Completed, false)
    );
    let detail = lab.detail(claim.job).await;
    assert_eq!(detail.result, Some(json!({"made": [1, 2]})));
    let ended = Status::Ended {
        state: State::Completed,
        at: at(3),
    };
    assert_eq!(detail.job.status, ended);
    assert_eq!((detail.job.error, detail.job.attempts), (None, 1));
    let attempts = store.attempts(claim.job).await.expect("attempts");
    assert_eq!(attempts.len(), 1, "the one that failed");
}

/// A job may complete without a result.
pub async fn a_result_may_be_missing(store: &dyn Store) {
    let lab = Lab::new(store).await;
    let seq = lab.ended("a", complete()).await;
    let detail = lab.detail(seq).await;
    assert_eq!(
        (detail.job.state(), detail.result),
        (State::Completed, None)
    );
    assert_eq!(store.attempts(seq).await.expect("attempts"), []);
}

/// A failed run spends an attempt, keeps its error, and leaves its attempt.
pub async fn a_run_fails(store: &dyn Store) {
    let lab = Lab::new(store).await;
    let claim = lab.run("a").await;
    let done = lab.end(claim, fail()).await;
    assert_eq!(done.state, State::Failed);
    let job = lab.get(claim.job).await;
    assert_eq!((job.attempts, job.error), (1, Some(error("final"))));
    assert_eq!(job.status.state(), State::Failed);
    let expected = attempt(&lab, claim, AttemptEnd::Failed, Some("final"));
    assert_eq!(
        store.attempts(claim.job).await.expect("attempts"),
        [expected]
    );
}

/// A run to be tried again spends an attempt and waits for its time.
pub async fn a_run_is_tried_again(store: &dyn Store) {
    let lab = Lab::new(store).await;
    let claim = lab.run("a").await;
    let end = End::Retry {
        at: at(30),
        error: error("again"),
    };
    assert_eq!(lab.end(claim, end).await.state, State::Pending);
    let job = lab.get(claim.job).await;
    let waits = Status::Pending {
        reason: Reason::Retry,
        run_at: Some(at(30)),
        worker: None,
    };
    assert_eq!(job.status, waits);
    assert_eq!((job.attempts, job.error), (1, Some(error("again"))));
    assert_eq!((job.claim, job.started_at), (1, Some(at(0))));
    let expected = attempt(&lab, claim, AttemptEnd::Failed, Some("again"));
    assert_eq!(
        store.attempts(claim.job).await.expect("attempts"),
        [expected]
    );
}

/// A run given back spends no attempt and waits for its time.
pub async fn a_run_is_released(store: &dyn Store) {
    let lab = Lab::new(store).await;
    let claim = lab.run("a").await;
    assert_eq!(
        lab.end(claim, End::Release { at: at(3) }).await.state,
        State::Pending
    );
    let job = lab.get(claim.job).await;
    let waits = Status::Pending {
        reason: Reason::Released,
        run_at: Some(at(3)),
        worker: None,
    };
    assert_eq!((job.status, job.attempts, job.error), (waits, 0, None));
    let expected = attempt(&lab, claim, AttemptEnd::Released, None);
    assert_eq!(
        store.attempts(claim.job).await.expect("attempts"),
        [expected]
    );
}

fn attempt(lab: &Lab<'_>, claim: Claim, end: AttemptEnd, message: Option<&str>) -> Attempt {
    Attempt {
        claim: claim.number,
        worker: lab.worker.clone(),
        started_at: at(0),
        ended_at: at(1),
        end,
        error: message.map(error),
    }
}

/// Attempts stand in their order, each with its own claim, worker, times and error.
pub async fn attempts_stand_in_order(store: &dyn Store) {
    let lab = Lab::new(store).await;
    lab.submit(job("a")).await;
    for n in 1..=3 {
        let claim = lab.claim_one(at(n * 10)).await;
        let end = End::Retry {
            at: at(n * 10 + 5),
            error: error(&n.to_string()),
        };
        lab.done(Write {
            end: Some(end),
            ..Write::new(claim, at(n * 10 + 1))
        })
        .await;
        let attempts = store.attempts(claim.job).await.expect("attempts");
        let last = attempts.last().expect("one more");
        assert_eq!(attempts.len() as u64, n);
        assert_eq!(
            (last.claim, last.started_at, last.ended_at),
            (n, at(n * 10), at(n * 10 + 1))
        );
        assert_eq!(last.error, Some(error(&n.to_string())));
        assert!(attempts.is_sorted_by_key(|attempt| attempt.claim));
    }
}

/// All parts of one write are written together, also with an end.
pub async fn a_write_is_whole(store: &dyn Store) {
    let lab = Lab::new(store).await;
    let claim = lab.run("a").await;
    let done = lab.done(everything(claim)).await;
    assert_eq!((done.state, done.first_line), (State::Completed, 1));
    let job = lab.get(claim.job).await;
    assert_eq!((job.progress.current, job.items.completed), (5, 1));
    let left = snapshot(store, claim.job).await;
    assert_eq!(
        (left.items.len(), left.log.len(), left.artifacts.len()),
        (1, 2, 1)
    );
    assert_eq!(done.jobs.len(), 2);
    for (one, name) in done.jobs.iter().zip(["next-0", "next-1"]) {
        assert!(one.new && one.id == id(name), "{one:?}");
        assert_eq!(lab.state(one.seq).await, State::Pending);
    }
}

/// A write with something of everything.
pub(super) fn everything(claim: Claim) -> Write {
    Write {
        progress: Some(Progress {
            current: 5,
            ..Progress::default()
        }),
        checkpoint: Some("{\"at\": 5}".to_owned()),
        items: vec![item("a", ItemState::Completed)],
        log: lines(&["one", "two"]),
        artifacts: vec![artifact("out", "x/out")],
        jobs: jobs("next", 2),
        end: Some(complete()),
        ..Write::new(claim, at(1))
    }
}

/// A write of which a job can not be inserted is refused whole, says why, and the run goes on.
pub async fn a_job_that_does_not_fit_refuses_its_write(store: &dyn Store) {
    let lab = Lab::new(store).await;
    lab.submit(Insert {
        run_at: Some(at(500)),
        reason: Reason::Scheduled,
        ..job("taken")
    })
    .await;
    let claim = lab.run("a").await;
    let before = snapshot(store, claim.job).await;
    let unknown = Insert {
        kind: "suite.unknown".to_owned(),
        ..job("b")
    };
    for (bad, word) in [(unknown, "suite.unknown"), (job("taken"), "taken")] {
        let mut write = everything(claim);
        write.jobs.push(bad);
        match lab.write(write).await {
            Written::Refused(why) => assert!(why.to_string().contains(word), "{why}"),
            other => panic!("refused, not {other:?}"),
        }
        assert_eq!(snapshot(store, claim.job).await, before);
    }
    assert_eq!(super::all_jobs(store).await.len(), 2, "nor any of its jobs");
    let done = lab.done(everything(claim)).await;
    assert_eq!(done.first_line, 1, "no line was numbered");
}

/// Of many writes each stands alone: one refused or lost does not touch its neighbours, and answers are in order.
pub async fn writes_of_a_call_stand_alone(store: &dyn Store) {
    let lab = Lab::new(store).await;
    let (first, second) = (lab.run("a").await, lab.run("b").await);
    let stale = Claim {
        number: 99,
        ..second
    };
    let mut bad = everything(first);
    "suite.unknown".clone_into(&mut bad.jobs[1].kind);
    let writes = vec![
        everything(stale),
        bad,
        Write {
            end: Some(complete()),
            ..Write::new(second, at(1))
        },
        everything(first),
    ];
    let written = store.write(writes).await.expect("write");
    assert_eq!(written[0], Written::ClaimLost);
    assert!(matches!(written[1], Written::Refused(_)), "{written:?}");
    assert_eq!(done(written[2].clone()).state, State::Completed);
    assert_eq!(done(written[3].clone()).state, State::Completed);
    assert_eq!(written.len(), 4);
    assert_eq!(lab.state(second.job).await, State::Completed);
    assert_eq!(snapshot(store, second.job).await.items, []);
}

/// Writes of one run in one call go in their order: what comes after the end is lost.
pub async fn writes_of_a_run_keep_their_order(store: &dyn Store) {
    let lab = Lab::new(store).await;
    let claim = lab.run("a").await;
    let say = |text: &str| Write {
        log: lines(&[text]),
        ..Write::new(claim, at(1))
    };
    let last = Write {
        end: Some(fail()),
        ..say("last")
    };
    let calls = vec![say("first"), last.clone(), say("late"), last];
    let written = store.write(calls).await.expect("write");
    assert_eq!(done(written[0].clone()).first_line, 1);
    assert_eq!(done(written[1].clone()).first_line, 2);
    assert_eq!(written[2..], [Written::ClaimLost, Written::ClaimLost]);
    let log = store.log(claim.job, 0, 10).await.expect("log");
    assert_eq!(log.len(), 2);
    assert_eq!(store.write(Vec::new()).await.expect("write"), []);
}

/// Jobs of a write obey keys like every submission.
pub async fn jobs_of_a_write_obey_their_keys(store: &dyn Store) {
    let lab = Lab::new(store).await;
    let keyed = |name: &str, key: &str| Insert {
        unique_key: Some(key.to_owned()),
        reason: Reason::Scheduled,
        run_at: Some(at(500)),
        ..job(name)
    };
    let earlier = lab.submit(keyed("earlier", "k")).await;
    let claim = lab.run("a").await;
    let done = lab
        .done(Write {
            jobs: vec![keyed("b", "k"), keyed("c", "new")],
            ..Write::new(claim, at(1))
        })
        .await;
    assert_eq!((done.jobs[0].seq, done.jobs[0].new), (earlier, false));
    assert!(done.jobs[1].new);
}

/// The next of a series, inserted by the write that ends the one before, may take over its unique key.
pub async fn a_successor_takes_over_the_unique_key(store: &dyn Store) {
    let lab = Lab::new(store).await;
    let every = |name: &str| Insert {
        unique_key: Some("nightly".to_owned()),
        ..job(name)
    };
    let claim = lab.run_job(every("a")).await;
    let done = lab
        .done(Write {
            jobs: vec![every("b")],
            end: Some(complete()),
            ..Write::new(claim, at(1))
        })
        .await;
    assert!(done.jobs[0].new, "{done:?}");
    let claim = lab.claim_one(at(1)).await;
    assert_eq!(claim.job, done.jobs[0].seq);
    let retry = End::Retry {
        at: at(2),
        error: error("again"),
    };
    let done = lab
        .done(Write {
            jobs: vec![every("c")],
            end: Some(retry),
            ..Write::new(claim, at(1))
        })
        .await;
    assert!(!done.jobs[0].new, "the one before lives: {done:?}");
}

/// A run can not stop because of a cancel that nobody asked for.
pub async fn a_cancelled_end_needs_a_cancel(store: &dyn Store) {
    let lab = Lab::new(store).await;
    let claim = lab.run("a").await;
    let before = snapshot(store, claim.job).await;
    let mut write = everything(claim);
    write.end = Some(End::Cancelled);
    let written = lab.write(write).await;
    assert!(matches!(written, Written::Refused(_)), "{written:?}");
    assert_eq!(snapshot(store, claim.job).await, before);
    assert_eq!(lab.end(claim, complete()).await.state, State::Completed);
}

/// Log lines come back as they were written, with rising numbers.
pub async fn log_lines_are_numbered(store: &dyn Store) {
    let lab = Lab::new(store).await;
    let claim = lab.run("a").await;
    let other = lab.run("b").await;
    let line = |level, text: &str, seconds| LogWrite {
        time: at(seconds),
        level,
        text: text.to_owned(),
    };
    let first = Write {
        log: vec![line(Level::Debug, "", 3), line(Level::Error, "two", 2)],
        ..Write::new(claim, at(5))
    };
    assert_eq!(lab.done(first).await.first_line, 1);
    let elsewhere = Write {
        log: lines(&["own numbers"]),
        ..Write::new(other, at(5))
    };
    assert_eq!(lab.done(elsewhere).await.first_line, 1);
    let second = Write {
        log: vec![line(Level::Warn, "three", 9), line(Level::Info, "four", 1)],
        ..Write::new(claim, at(5))
    };
    assert_eq!(lab.done(second).await.first_line, 3);
    let log = store.log(claim.job, 0, 10).await.expect("log");
    let found: Vec<_> = log
        .iter()
        .map(|line| (line.number, line.level, line.text.as_str(), line.time))
        .collect();
    let expected = [
        (1, Level::Debug, "", at(3)),
        (2, Level::Error, "two", at(2)),
        (3, Level::Warn, "three", at(9)),
        (4, Level::Info, "four", at(1)),
    ];
    assert_eq!(found, expected);
}

/// What one run leaves belongs to its job alone.
pub async fn jobs_do_not_share(store: &dyn Store) {
    let lab = Lab::new(store).await;
    let seqs = lab
        .insert(vec![
            job("a"),
            Insert {
                kind: OTHER.to_owned(),
                ..job("b")
            },
        ])
        .await;
    let claimed = lab.claim(&lab.worker, at(0)).await;
    lab.done(Write {
        jobs: Vec::new(),
        ..everything(super::lab::held(&claimed[0]))
    })
    .await;
    let other = snapshot(store, seqs[1].seq).await;
    assert_eq!((other.items.len(), other.log.len()), (0, 0));
    assert_eq!((other.artifacts.len(), other.attempts.len()), (0, 0));
    assert_eq!(lab.get(seqs[0].seq).await.kind, KIND);
    assert_eq!(lab.state(seqs[1].seq).await, State::Running);
}
