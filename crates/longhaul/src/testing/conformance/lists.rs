//! Lists beyond names: what has begun, words, times, pages, how many there are, and who waits longest.

use std::collections::BTreeMap;

use longhaul_types::{JobError, Labels, State, Timestamp, filter::Period};

use super::lab::{KIND, Lab, OTHER, QUEUE, at, complete, error, fail, held, job, jobs};
use crate::{
    model::Seq,
    store::{End, Filter, Insert, PageRequest, Request, Store, Total, Write},
};

/// Sees that a filter shows these jobs, newest first, and counts them.
async fn see(lab: &Lab<'_>, filter: Filter, expected: &[&str]) {
    assert_eq!(lab.ids(&filter).await, expected, "{filter:?}");
    let total = Total {
        count: expected.len() as u64,
        exact: true,
    };
    let counted = lab.store.count(&filter).await.expect("count");
    assert_eq!(counted, total, "{filter:?}");
}

/// An end that fails with this code.
fn fails(code: &str) -> End {
    End::Fail {
        error: JobError {
            code: code.to_owned(),
            ..error(code)
        },
    }
}

fn failed(codes: &[&str]) -> Filter {
    Filter {
        errors: codes.iter().map(|code| (*code).to_owned()).collect(),
        ..Filter::default()
    }
}

/// Jobs that failed are found by their code: those that were tried again, or failed otherwise, are not.
pub async fn failed_jobs_are_found_by_their_code(store: &dyn Store) {
    let lab = Lab::new(store).await;
    for (name, code) in [("a", "full"), ("b", "gone"), ("c", "full"), ("d", "full")] {
        let brief = Insert {
            owner: if name == "c" { "anna" } else { "" }.to_owned(),
            labels: [("of".to_owned(), name.to_owned())].into(),
            ..job(name)
        };
        let claim = lab.run_job(brief).await;
        lab.end(claim, fails(code)).await;
    }
    let retried = End::Retry {
        at: at(60),
        error: JobError {
            code: "full".to_owned(),
            ..error("full")
        },
    };
    lab.ended("between", retried).await;
    see(&lab, failed(&["full"]), &["d", "c", "a"]).await;
    see(
        &lab,
        failed(&["full", "gone", "none"]),
        &["d", "c", "b", "a"],
    )
    .await;
    see(&lab, failed(&["none"]), &[]).await;
    lab.allowed(Request::Retry, "d", at(2)).await;
    see(&lab, failed(&["full"]), &["c", "a"]).await;
    let narrow = |change: &dyn Fn(&mut Filter)| {
        let mut filter = failed(&["full"]);
        change(&mut filter);
        filter
    };
    let annas = narrow(&|filter| filter.owner = Some("anna".to_owned()));
    see(&lab, annas, &["c"]).await;
    let labelled = narrow(&|filter| drop(filter.labels.insert("of".to_owned(), "a".to_owned())));
    see(&lab, labelled, &["a"]).await;
    let completed = narrow(&|filter| filter.states = vec![State::Completed]);
    see(&lab, completed, &[]).await;
    let named = narrow(&|filter| filter.text = vec!["a".to_owned()]);
    see(&lab, named, &["a"]).await;
}

/// Failed jobs are grouped by kind and code, each owner's for itself.
pub async fn failures_are_grouped(store: &dyn Store) {
    let lab = Lab::new(store).await;
    let groups = async |owner: Option<&str>| {
        let failures = store.failures(owner).await.expect("failures");
        assert!(!failures.more);
        let groups = failures.groups.into_iter().map(|group| {
            assert!(group.jobs.exact);
            let newest = group.newest.id.as_str().to_owned();
            (group.kind, group.code, group.jobs.count, newest)
        });
        groups.collect::<Vec<_>>()
    };
    assert_eq!(groups(None).await, []);
    for (name, kind, owner, code) in [
        ("a", KIND, "", "full"),
        ("b", OTHER, "", "full"),
        ("c", KIND, "anna", "full"),
        ("d", KIND, "", "gone"),
    ] {
        let brief = Insert {
            kind: kind.to_owned(),
            owner: owner.to_owned(),
            ..job(name)
        };
        let claim = lab.run_job(brief).await;
        lab.end(claim, fails(code)).await;
    }
    lab.ended("done", complete()).await;
    let group = |kind: &str, code: &str, count: u64, newest: &str| {
        (kind.to_owned(), code.to_owned(), count, newest.to_owned())
    };
    let mut all = vec![
        group(KIND, "full", 2, "c"),
        group(KIND, "gone", 1, "d"),
        group(OTHER, "full", 1, "b"),
    ];
    let sorted = async |owner| {
        let mut groups = groups(owner).await;
        groups.sort();
        groups
    };
    all.sort();
    assert_eq!(sorted(None).await, all);
    assert_eq!(sorted(Some("anna")).await, [group(KIND, "full", 1, "c")]);
    assert_eq!(sorted(Some("nobody")).await, []);
    lab.allowed(Request::Retry, "d", at(2)).await;
    all.retain(|(_, code, ..)| code != "gone");
    assert_eq!(sorted(None).await, all);
}

fn words(words: &[&str]) -> Filter {
    Filter {
        text: words.iter().map(|word| (*word).to_owned()).collect(),
        ..Filter::default()
    }
}

/// Pending jobs that have started before are told apart from those that have not, however they came to wait again.
pub async fn pending_jobs_are_told_apart_by_their_start(store: &dyn Store) {
    let lab = Lab::new(store).await;
    lab.ended("done", complete()).await;
    lab.ended("again", fail()).await;
    lab.parked("parked").await;
    let retried = End::Retry {
        at: at(60),
        error: error("again"),
    };
    lab.ended("retried", retried).await;
    lab.ended("released", End::Release { at: at(1) }).await;
    let claim = lab.claim_one(at(1)).await;
    lab.allowed(Request::Retry, "again", at(2)).await;
    lab.submit(job("new")).await;
    let of = |begun, states: &[State]| Filter {
        begun: Some(begun),
        states: states.to_vec(),
        ..Filter::default()
    };
    let pending = &[State::Pending][..];
    see(&lab, of(true, pending), &["retried", "parked"]).await;
    see(&lab, of(false, pending), &["new", "again"]).await;
    let processing = &[State::Pending, State::Running];
    let all = &["released", "retried", "parked"];
    see(&lab, of(true, processing), all).await;
    lab.end(claim, End::Release { at: at(2) }).await;
    see(&lab, of(true, pending), all).await;
    see(
        &lab,
        of(true, &[]),
        &["released", "retried", "parked", "done"],
    )
    .await;
    let elsewhere = Filter {
        queues: vec!["elsewhere".to_owned()],
        ..of(false, pending)
    };
    see(&lab, elsewhere, &[]).await;
    let parked = Filter {
        text: vec!["park".to_owned()],
        ..of(true, pending)
    };
    see(&lab, parked, &["parked"]).await;
}

/// Words are found in ids, values of labels and errors, in either case, and all must be.
pub async fn words_are_found_in_ids_labels_and_errors(store: &dyn Store) {
    let lab = Lab::new(store).await;
    lab.ended("first", fail()).await;
    let labels = [("City", "Neu-Ulm 50% \"off\""), ("b", "x_y")];
    let labels = labels.map(|(name, value)| (name.to_owned(), value.to_owned()));
    lab.submit(Insert {
        labels: Labels::from(labels),
        ..job("second")
    })
    .await;
    lab.submit(Insert {
        kind: OTHER.to_owned(),
        args: "{\"first\": true}".to_owned(),
        ..job("THIRD")
    })
    .await;
    for (found, expected) in [
        (&["ir"][..], &["THIRD", "first"][..]),
        (&["Third"], &["THIRD"]),
        (&["FINAL"], &["first"]),
        (&["ulm"], &["second"]),
        (&["ulm", "SECO"], &["second"]),
        (&["ulm", "first"], &[]),
        (&["50% \"OFF\""], &["second"]),
        (&["0%_"], &[]),
        (&["_"], &["second"]),
        (&["%"], &["second"]),
        (&["city"], &[]),
        (&["nowhere"], &[]),
        (&["no\u{e9}"], &[]),
    ] {
        see(&lab, words(found), expected).await;
    }
    let of_kind = Filter {
        kinds: vec![KIND.to_owned()],
        ..words(&["ir"])
    };
    see(&lab, of_kind, &["first"]).await;
}

/// A word that is the whole id of a job that the owner has finds that job alone, if the rest of the filter shows it.
pub async fn an_id_finds_its_job_alone(store: &dyn Store) {
    let lab = Lab::new(store).await;
    let of = |owner: &str, name: &str| Insert {
        owner: owner.to_owned(),
        labels: Labels::from([("parent".to_owned(), "a-1".to_owned())]),
        ..job(name)
    };
    lab.insert(vec![
        of("anna", "a-1"),
        of("anna", "a-12"),
        of("ben", "a-1"),
        of("ben", "b"),
    ])
    .await;
    let owned = |owner: &str, found: &[&str]| Filter {
        owner: Some(owner.to_owned()),
        ..words(found)
    };
    see(&lab, words(&["a-1"]), &["a-1", "a-1"]).await;
    see(&lab, words(&["A-1"]), &["b", "a-1", "a-12", "a-1"]).await;
    see(&lab, owned("anna", &["a-1"]), &["a-1"]).await;
    see(&lab, owned("ben", &["a-12"]), &[]).await;
    see(&lab, owned("anna", &["a-1", "a-12"]), &[]).await;
    see(&lab, owned("ben", &["b", "a-"]), &["b"]).await;
    let running = Filter {
        states: vec![State::Running],
        ..words(&["a-1"])
    };
    see(&lab, running, &[]).await;
}

/// A period begins with its first moment and ends before its last, for submissions and for ends.
pub async fn periods_hold_their_first_moment(store: &dyn Store) {
    let lab = Lab::new(store).await;
    let made = |n: u64| Insert {
        created_at: at(n * 10),
        ..job(&format!("a-{n}"))
    };
    lab.insert((0..4).map(made).collect()).await;
    for (claimed, n) in lab.claim(&lab.worker, at(40)).await.iter().zip(0..3) {
        let end = Write {
            end: Some(complete()),
            ..Write::new(held(claimed), at(50 + n))
        };
        lab.done(end).await;
    }
    let period = |after: Option<u64>, before: Option<u64>| Period::<Timestamp> {
        after: after.map(at),
        before: before.map(at),
    };
    let created = |after, before| Filter {
        created: period(after, before),
        ..Filter::default()
    };
    let ended = |after, before| Filter {
        ended: period(after, before),
        ..Filter::default()
    };
    for (filter, expected) in [
        (created(Some(10), None), &["a-3", "a-2", "a-1"][..]),
        (created(Some(10), Some(30)), &["a-2", "a-1"]),
        (created(None, Some(10)), &["a-0"]),
        (created(Some(31), None), &[]),
        (created(Some(20), Some(10)), &[]),
        (ended(None, Some(52)), &["a-1", "a-0"]),
        (ended(Some(51), Some(53)), &["a-2", "a-1"]),
        (ended(Some(0), None), &["a-2", "a-1", "a-0"]),
        (ended(Some(53), None), &[]),
    ] {
        see(&lab, filter, expected).await;
    }
    let running = Filter {
        states: vec![State::Running],
        ..ended(Some(0), None)
    };
    see(&lab, running, &[]).await;
    let both = Filter {
        created: period(Some(10), None),
        states: vec![State::Running, State::Completed],
        ..ended(None, Some(52))
    };
    see(&lab, both, &["a-1"]).await;
}

/// A page says where the next begins, exactly when there are more, and may begin after any number of jobs.
pub async fn pages_say_whether_there_are_more(store: &dyn Store) {
    let lab = Lab::new(store).await;
    let mut many = jobs("a", 10);
    for one in many.iter_mut().step_by(2) {
        one.labels.insert("even".to_owned(), "yes".to_owned());
    }
    let seqs: Vec<Seq> = lab.insert(many).await.iter().map(|one| one.seq).collect();
    let even = Filter {
        labels: Labels::from([("even".to_owned(), "yes".to_owned())]),
        ..Filter::default()
    };
    let read = async |filter: &Filter, before, skip, limit| {
        let request = PageRequest {
            before,
            skip,
            limit,
        };
        let page = store.page(filter, &request).await.expect("page");
        assert_eq!(page.cut, None, "so few are all looked at");
        let seqs: Vec<Seq> = page.jobs.iter().map(|job| job.seq).collect();
        (seqs, page.next)
    };
    let all = Filter::default();
    for (filter, before, skip, limit, expected, next) in [
        (&all, None, 0, 4, &[9, 8, 7, 6][..], Some(6)),
        (&all, Some(6), 0, 6, &[5, 4, 3, 2, 1, 0], None),
        (&all, Some(6), 0, 5, &[5, 4, 3, 2, 1], Some(1)),
        (&all, None, 8, 4, &[1, 0], None),
        (&all, None, 10, 4, &[], None),
        (&all, None, 99, 4, &[], None),
        (&all, Some(5), 2, 2, &[2, 1], Some(1)),
        (&even, None, 0, 5, &[8, 6, 4, 2, 0], None),
        (&even, None, 0, 4, &[8, 6, 4, 2], Some(2)),
        (&even, None, 2, 2, &[4, 2], Some(2)),
        (&words(&["a-"]), None, 1, 2, &[8, 7], Some(7)),
    ] {
        let at = |place: usize| seqs[place];
        let found = read(filter, before.map(at), skip, limit).await;
        let expected: Vec<Seq> = expected.iter().copied().map(at).collect();
        assert_eq!(found, (expected, next.map(at)), "{before:?} {skip} {limit}");
    }
}

/// Of each queue it is known since when the first that is due waits; what is held, not due, kept or running does not.
pub async fn who_waits_longest_is_known(store: &dyn Store) {
    let lab = Lab::new(store).await;
    let none = BTreeMap::new();
    let waiting = async |now| store.waiting(now).await.expect("waiting");
    lab.parked("parked").await;
    lab.run("running").await;
    assert_eq!(waiting(at(0)).await, none);
    let later = |name: &str, queue: &str, seconds| Insert {
        queue: queue.to_owned(),
        run_at: Some(at(seconds)),
        ..job(name)
    };
    let waits = Insert {
        reason: longhaul_types::Reason::Held,
        run_at: None,
        ..job("held")
    };
    let urgent = Insert {
        priority: 9,
        ..later("urgent", QUEUE, 7)
    };
    lab.insert(vec![
        waits,
        later("scheduled", QUEUE, 20),
        later("first", QUEUE, 5),
        urgent,
        later("night", "night", 30),
    ])
    .await;
    assert_eq!(waiting(at(0)).await, none);
    let by = |pairs: &[(&str, u64)]| {
        let pairs = pairs.iter();
        pairs
            .map(|(queue, seconds)| ((*queue).to_owned(), at(*seconds)))
            .collect::<BTreeMap<_, _>>()
    };
    assert_eq!(waiting(at(10)).await, by(&[(QUEUE, 5)]));
    assert_eq!(waiting(at(30)).await, by(&[(QUEUE, 20), ("night", 30)]));
    store.pause("night", at(31)).await.expect("pause");
    assert_eq!(lab.claim(&lab.worker, at(31)).await.len(), 3);
    assert_eq!(waiting(at(31)).await, by(&[("night", 30)]));
    lab.allowed(Request::Start, "held", at(40)).await;
    assert_eq!(waiting(at(41)).await, by(&[(QUEUE, 40), ("night", 30)]));
}
