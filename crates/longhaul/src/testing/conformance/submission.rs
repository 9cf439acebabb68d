//! Submission: what a new job is, unique ids, keys, full queues, and all or none.

use longhaul_types::{Labels, Progress, Reason, State};

use super::{
    all_jobs,
    lab::{
        KIND, Lab, OTHER, QUEUE, at, complete, first_after, id, job, jobs, kind, secs, snapshot,
    },
    limits,
};
use crate::{
    model::{Job, Status},
    store::{Asked, Error, Filter, IDEMPOTENCY, Insert, Kind, Request, Store},
};

/// A kind is known once it was declared; a later declaration replaces an earlier one.
pub async fn kinds_are_known_once_declared(store: &dyn Store) {
    let kind = |name: &str, version| Kind {
        version,
        queue: format!("queue of {version}"),
        max_attempts: version,
        attempt_timeout: (version > 1).then(|| secs(5)),
        timeout: (version > 1).then(|| secs(50)),
        retention: first_after(secs(u64::from(version) * 7)),
        ..kind(name)
    };
    assert_eq!(store.kinds().await.expect("kinds"), []);
    let declared = store.declare(vec![kind("b", 1), kind("a", 1)]).await;
    declared.expect("declare");
    store.declare(vec![kind("b", 2)]).await.expect("declare");
    store.declare(Vec::new()).await.expect("declare");
    let kinds = store.kinds().await.expect("kinds");
    assert_eq!(kinds, [kind("a", 1), kind("b", 2)]);
}

/// A job of a kind that nobody has declared is refused, and so is the rest of its call.
pub async fn an_unknown_kind_is_refused(store: &dyn Store) {
    let lab = Lab::new(store).await;
    let unknown = Insert {
        kind: "suite.unknown".to_owned(),
        ..job("b")
    };
    match store.insert(vec![job("a"), unknown]).await {
        Err(Error::UnknownKind(kind)) => assert_eq!(kind, "suite.unknown"),
        other => panic!("refused, not {other:?}"),
    }
    assert_eq!(lab.ids(&Filter::default()).await, [""; 0]);
}

/// A new job is what its submission says.
pub async fn a_new_job_is_as_submitted(store: &dyn Store) {
    let lab = Lab::new(store).await;
    let labels = Labels::from([("city".to_owned(), "Ulm".to_owned())]);
    let insert = Insert {
        owner: "anna".to_owned(),
        kind: OTHER.to_owned(),
        queue: "night".to_owned(),
        priority: -7,
        args_version: 3,
        args: "{\"list\": [1, 2.5, null], \"text\": \"ä\"}".to_owned(),
        labels: labels.clone(),
        reason: Reason::Scheduled,
        run_at: Some(at(90)),
        unique_key: Some("once".to_owned()),
        idempotency_key: Some("request 7".to_owned()),
        max_attempts: 9,
        attempt_timeout: Some(secs(5)),
        timeout: Some(secs(500)),
        created_at: at(2),
        ..job("a")
    };
    let inserted = lab.insert(vec![insert]).await;
    assert!(inserted[0].new && inserted[0].id == id("a"));
    let detail = lab.detail(inserted[0].seq).await;
    assert_eq!(detail.args["list"], serde_json::json!([1, 2.5, null]));
    assert_eq!(detail.args["text"], "ä");
    assert_eq!(detail.result, None);
    assert!(detail.job.revision > 0, "a revision counts from 1");
    let expected = Job {
        seq: inserted[0].seq,
        id: id("a"),
        owner: "anna".to_owned(),
        kind: OTHER.to_owned(),
        queue: "night".to_owned(),
        priority: -7,
        status: Status::Pending {
            reason: Reason::Scheduled,
            run_at: Some(at(90)),
            worker: None,
        },
        claim: 0,
        attempts: 0,
        max_attempts: 9,
        rescues: 0,
        attempt_timeout: Some(secs(5)),
        timeout: Some(secs(500)),
        items: longhaul_types::ItemCounts::default(),
        error: None,
        created_at: at(2),
        started_at: None,
        unique_key: Some("once".to_owned()),
        labels,
        progress: Progress::default(),
        revision: detail.job.revision,
    };
    assert_eq!(detail.job, expected);
}

/// A held job waits for no time.
pub async fn a_held_job_has_no_time(store: &dyn Store) {
    let lab = Lab::new(store).await;
    let held = Insert {
        reason: Reason::Held,
        run_at: None,
        ..job("a")
    };
    let seq = lab.submit(held).await;
    let expected = Status::Pending {
        reason: Reason::Held,
        run_at: None,
        worker: None,
    };
    assert_eq!(lab.get(seq).await.status, expected);
}

/// Numbers rise with submission, and one that was given is not given again when its job is removed.
pub async fn numbers_rise_with_submission(store: &dyn Store) {
    let lab = Lab::new(store).await;
    let inserted = lab.insert(vec![job("z"), job("a"), job("m")]).await;
    assert!(inserted.is_sorted_by(|one, next| one.seq < next.seq));
    lab.allowed(Request::Cancel, "m", at(1)).await;
    lab.allowed(Request::Remove, "m", at(1)).await;
    let next = lab.submit(job("n")).await;
    assert!(next > inserted[2].seq, "{next} follows {}", inserted[2].seq);
}

/// Nothing submitted is nothing done.
pub async fn no_jobs_are_no_error(store: &dyn Store) {
    let lab = Lab::new(store).await;
    assert_eq!(lab.insert(Vec::new()).await, []);
}

/// One id that is taken refuses the whole call, which leaves no trace.
pub async fn all_are_inserted_or_none(store: &dyn Store) {
    let lab = Lab::new(store).await;
    let taken = lab.submit(job("b")).await;
    let before = snapshot(store, taken).await;
    let keyed = Insert {
        unique_key: Some("u".to_owned()),
        idempotency_key: Some("i".to_owned()),
        ..job("a")
    };
    match store.insert(vec![keyed.clone(), job("b"), job("c")]).await {
        Err(Error::IdTaken(id)) => assert_eq!(id.as_str(), "b"),
        other => panic!("refused, not {other:?}"),
    }
    assert_eq!(lab.ids(&Filter::default()).await, ["b"]);
    assert_eq!(snapshot(store, taken).await, before);
    let inserted = lab.insert(vec![keyed, job("c")]).await;
    assert!(inserted.iter().all(|one| one.new), "no key was remembered");
}

/// The same id twice in one call is refused.
pub async fn an_id_comes_once_in_a_call(store: &dyn Store) {
    let lab = Lab::new(store).await;
    let inserted = store.insert(vec![job("a"), job("a")]).await;
    assert!(matches!(inserted, Err(Error::IdTaken(_))), "{inserted:?}");
    assert_eq!(all_jobs(store).await, []);
    lab.submit(job("a")).await;
}

/// An id is unique under its owner: taken while the job's row lives, also after its end, and free when it is removed.
pub async fn an_id_is_unique_under_its_owner(store: &dyn Store) {
    let lab = Lab::new(store).await;
    lab.submit(job("a")).await;
    let other = Insert {
        owner: "anna".to_owned(),
        ..job("a")
    };
    lab.submit(other).await;
    lab.allowed(Request::Cancel, "a", at(1)).await;
    let again = store.insert(vec![job("a")]).await;
    assert!(matches!(again, Err(Error::IdTaken(_))), "{again:?}");
    lab.allowed(Request::Remove, "a", at(1)).await;
    lab.submit(job("a")).await;
}

fn unique(name: &str) -> Insert {
    Insert {
        unique_key: Some("one at a time".to_owned()),
        ..job(name)
    }
}

/// A unique key names the living job of this owner and kind: pending or running.
pub async fn a_unique_key_names_the_living_job(store: &dyn Store) {
    let lab = Lab::new(store).await;
    let first = lab.submit(unique("a")).await;
    let before = lab.get(first).await;
    let twice = lab.insert(vec![unique("b"), unique("a")]).await;
    for one in twice {
        assert_eq!((one.seq, one.id.as_str(), one.new), (first, "a", false));
    }
    assert_eq!(lab.get(first).await, before, "asking changes nothing");
    lab.claim_one(at(0)).await;
    let running = lab.insert(vec![unique("b")]).await;
    assert_eq!((running[0].seq, running[0].new), (first, false));
    assert_eq!(all_jobs(store).await.len(), 1);
}

/// Another owner, another kind, or another key is another job.
pub async fn a_unique_key_is_of_one_owner_and_kind(store: &dyn Store) {
    let lab = Lab::new(store).await;
    lab.submit(unique("a")).await;
    let others = vec![
        Insert {
            owner: "anna".to_owned(),
            ..unique("b")
        },
        Insert {
            kind: OTHER.to_owned(),
            ..unique("c")
        },
        Insert {
            unique_key: Some("another".to_owned()),
            ..job("d")
        },
        job("e"),
        job("f"),
    ];
    let inserted = lab.insert(others).await;
    assert!(inserted.iter().all(|one| one.new), "{inserted:?}");
}

/// When its job ends, however it ends, a unique key is free.
pub async fn a_unique_key_is_free_after_the_end(store: &dyn Store) {
    let lab = Lab::new(store).await;
    let claim = lab.run_job(unique("a")).await;
    lab.end(claim, complete()).await;
    lab.submit(unique("b")).await;
    lab.allowed(Request::Cancel, "b", at(1)).await;
    lab.submit(unique("c")).await;
}

/// Two of one unique key in one call are one job.
pub async fn a_unique_key_holds_within_a_call(store: &dyn Store) {
    let lab = Lab::new(store).await;
    let inserted = lab.insert(vec![unique("a"), unique("b")]).await;
    assert_eq!((inserted[0].new, inserted[1].new), (true, false));
    assert_eq!(inserted[0].seq, inserted[1].seq);
    assert_eq!(inserted[1].id, id("a"));
}

fn again(name: &str, seconds: u64) -> Insert {
    Insert {
        idempotency_key: Some("request 7".to_owned()),
        created_at: at(seconds),
        run_at: Some(at(seconds)),
        ..job(name)
    }
}

/// An idempotency key names the first job of this owner for 24 hours, whatever became of it and whatever is asked for.
pub async fn an_idempotency_key_is_remembered(store: &dyn Store) {
    let lab = Lab::new(store).await;
    let claim = lab.run_job(again("a", 0)).await;
    lab.end(claim, complete()).await;
    let other_kind = Insert {
        kind: OTHER.to_owned(),
        ..again("b", IDEMPOTENCY.as_secs() - 1)
    };
    for one in lab.insert(vec![again("a", 1), other_kind]).await {
        let found = (one.seq, one.id.as_str(), one.new);
        assert_eq!(found, (claim.job, "a", false));
    }
    let anna = Insert {
        owner: "anna".to_owned(),
        ..again("a", 1)
    };
    assert!(
        lab.insert(vec![anna]).await[0].new,
        "another owner's is another"
    );
}

/// After 24 hours an idempotency key is forgotten, and then names the newer job.
pub async fn an_idempotency_key_is_forgotten(store: &dyn Store) {
    let lab = Lab::new(store).await;
    let day = IDEMPOTENCY.as_secs();
    let first = lab.submit(again("a", 0)).await;
    let second = lab.submit(again("b", day)).await;
    assert_ne!(first, second);
    let third = lab.insert(vec![again("c", 2 * day - 1)]).await;
    assert_eq!((third[0].seq, third[0].new), (second, false));
    lab.submit(again("d", 2 * day)).await;
}

/// Two of one idempotency key in one call are one job, and a removed job is not remembered.
pub async fn an_idempotency_key_goes_with_its_job(store: &dyn Store) {
    let lab = Lab::new(store).await;
    let inserted = lab.insert(vec![again("a", 0), again("b", 0)]).await;
    assert_eq!((inserted[0].new, inserted[1].new), (true, false));
    assert_eq!(inserted[0].seq, inserted[1].seq);
    lab.allowed(Request::Cancel, "a", at(1)).await;
    lab.allowed(Request::Remove, "a", at(1)).await;
    assert!(lab.insert(vec![again("b", 2)]).await[0].new);
}

/// A queue takes no more pending jobs than its limit: of a call past it none goes in, other queues are not touched, and
/// a claim makes room.
pub async fn a_full_queue_refuses(store: &dyn Store) {
    let lab = Lab::new(store).await;
    let depth = usize::try_from(limits().queue_depth).expect("fits");
    lab.insert(jobs("a", depth - 1)).await;
    match store.insert(jobs("b", 2)).await {
        Err(Error::QueueFull { queue, limit }) => {
            assert_eq!((queue.as_str(), limit), (QUEUE, limits().queue_depth));
        }
        other => panic!("refused, not {other:?}"),
    }
    lab.submit(unique("last")).await;
    let more = store.insert(vec![job("more")]).await;
    assert!(matches!(more, Err(Error::QueueFull { .. })), "{more:?}");
    let found = lab.insert(vec![unique("more")]).await;
    assert!(!found[0].new, "asking for an earlier job needs no room");
    let elsewhere = Insert {
        queue: "elsewhere".to_owned(),
        ..job("elsewhere")
    };
    lab.submit(elsewhere).await;
    let mut request = super::lab::request(&lab.worker, at(0));
    request.slots[0].1 = 1;
    assert_eq!(store.claim(request).await.expect("claim").len(), 1);
    lab.submit(job("more")).await;
    assert_eq!(all_jobs(store).await.len(), depth + 2);
}

/// Also those that wait for something else than a slot count against the limit, of every owner and kind.
pub async fn every_pending_job_fills_its_queue(store: &dyn Store) {
    let lab = Lab::new(store).await;
    let mut many = jobs("a", usize::try_from(limits().queue_depth).expect("fits"));
    "anna".clone_into(&mut many[0].owner);
    OTHER.clone_into(&mut many[1].kind);
    many[2].reason = Reason::Held;
    many[2].run_at = None;
    many[3].reason = Reason::Scheduled;
    many[3].run_at = Some(at(1_000));
    lab.insert(many).await;
    let more = store.insert(vec![job("more")]).await;
    assert!(matches!(more, Err(Error::QueueFull { .. })), "{more:?}");
    lab.allowed(Request::Cancel, "a-2", at(1)).await;
    lab.submit(job("more")).await;
    assert_eq!(
        lab.ids(&Filter {
            kinds: vec![KIND.to_owned()],
            states: vec![State::Cancelled],
            ..Filter::default()
        })
        .await,
        ["a-2"]
    );
    assert!(matches!(
        lab.ask(Request::Cancel, "a-0", at(1)).await,
        Asked::NotFound
    ));
}
