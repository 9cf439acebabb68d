//! Reads: one job, pages, filters, and exact counts.

use std::collections::BTreeMap;

use longhaul_types::{ItemState, Labels, State, body::Counts};

use super::{
    lab::{KIND, Lab, OTHER, QUEUE, at, complete, fail, held, id, item, job, jobs, lines},
    limits, sound,
};
use crate::{
    model::Seq,
    store::{End, Filter, Insert, Request, Store, Sweep, Write},
};

/// One job is found by its id under its owner, or under any.
pub async fn a_job_is_found_by_its_id(store: &dyn Store) {
    let lab = Lab::new(store).await;
    let of = |owner: &str, name: &str| Insert {
        owner: owner.to_owned(),
        ..job(name)
    };
    let inserted = lab
        .insert(vec![of("anna", "a"), of("ben", "a"), of("ben", "B")])
        .await;
    let found = async |owner, name: &str| {
        let found = store.job(owner, &id(name)).await.expect("job");
        found.map(|job| job.seq)
    };
    assert_eq!(found(Some("anna"), "a").await, Some(inserted[0].seq));
    assert_eq!(found(Some("ben"), "a").await, Some(inserted[1].seq));
    assert_eq!(found(None, "B").await, Some(inserted[2].seq));
    for (owner, name) in [
        (Some("anna"), "B"),
        (Some("ben"), "b"),
        (Some(""), "a"),
        (Some("Ben"), "a"),
        (None, "b"),
    ] {
        assert_eq!(found(owner, name).await, None, "{owner:?} {name}");
    }
}

/// What is not there is read as nothing.
pub async fn nothing_is_read_of_no_job(store: &dyn Store) {
    for seq in [0, 1, -1, Seq::MAX, Seq::MIN] {
        assert_eq!(store.detail(seq).await.expect("detail"), None);
        let items = store.items(seq, None, None, 10).await;
        assert_eq!(items.expect("items"), []);
        assert_eq!(store.log(seq, 0, 10).await.expect("log"), []);
        assert_eq!(store.log_tail(seq, 10).await.expect("tail"), []);
        let artifacts = store.artifacts(seq).await;
        assert_eq!(artifacts.expect("artifacts"), []);
        assert_eq!(store.attempts(seq).await.expect("attempts"), []);
    }
    let found = store.jobs(&Filter::default(), None, 10).await;
    assert_eq!(found.expect("jobs"), []);
    assert!(store.changed().has_changed().is_ok(), "the store is open");
    sound(store).await;
}

/// Pages go from the newest to the oldest without gap or repetition, also while jobs are added.
pub async fn jobs_are_read_in_pages(store: &dyn Store) {
    let lab = Lab::new(store).await;
    let seqs: Vec<Seq> = lab
        .insert(jobs("a", 25))
        .await
        .iter()
        .map(|one| one.seq)
        .collect();
    let mut read: Vec<Seq> = Vec::new();
    for (page, expected) in [10, 10, 5, 0].into_iter().enumerate() {
        let found = store
            .jobs(&Filter::default(), read.last().copied(), 10)
            .await;
        let found = found.expect("jobs");
        assert_eq!(found.len(), expected);
        read.extend(found.iter().map(|job| job.seq));
        lab.insert(jobs(&format!("new-{page}"), 3)).await;
    }
    assert!(read.iter().rev().eq(&seqs));
    let none = store.jobs(&Filter::default(), None, 0).await;
    assert_eq!(none.expect("jobs"), []);
    let before_all = store.jobs(&Filter::default(), Some(seqs[0]), 10).await;
    assert_eq!(before_all.expect("jobs"), []);
}

/// Jobs for filters: owners anna and ben, two kinds, two queues, some labels, three states.
async fn mixture(lab: &Lab<'_>) {
    let labels = |pairs: &[(&str, &str)]| -> Labels {
        let owned = pairs
            .iter()
            .map(|(name, value)| ((*name).to_owned(), (*value).to_owned()));
        owned.collect()
    };
    let of = |name: &str, owner: &str, kind: &str, queue: &str, pairs: &[(&str, &str)]| Insert {
        owner: owner.to_owned(),
        kind: kind.to_owned(),
        queue: queue.to_owned(),
        labels: labels(pairs),
        ..job(name)
    };
    let made = vec![
        of("1", "anna", KIND, QUEUE, &[("city", "Ulm")]),
        of(
            "2",
            "anna",
            OTHER,
            "night",
            &[("city", "Ulm"), ("size", "9")],
        ),
        of("3", "ben", KIND, "night", &[("city", "ulm")]),
        of(
            "4",
            "ben",
            OTHER,
            QUEUE,
            &[("size", "9"), ("$.city", "Ulm")],
        ),
        of("5", "ben", KIND, QUEUE, &[]),
    ];
    lab.insert(made).await;
    let claimed = lab.claim(&lab.worker, at(0)).await;
    let end = |n: usize| Write {
        end: Some(complete()),
        ..Write::new(held(&claimed[n]), at(1))
    };
    assert_eq!(claimed[0].job.id, id("1"));
    lab.done(end(0)).await;
    let ben = Some("ben");
    let asked = lab
        .store
        .ask(Request::Cancel, ben, vec![id("3")], at(1))
        .await;
    asked.expect("ask");
}

fn label(name: &str, value: &str) -> Labels {
    Labels::from([(name.to_owned(), value.to_owned())])
}

fn one(text: &str) -> Vec<String> {
    vec![text.to_owned()]
}

async fn see_shown(lab: &Lab<'_>, filter: Filter, expected: &[&str]) {
    assert_eq!(lab.ids(&filter).await, expected, "{filter:?}");
    sound(lab.store).await;
}

/// A filter shows any of the states, kinds and queues it names, and all when it names none.
pub async fn filters_show_any_that_is_named(store: &dyn Store) {
    let lab = Lab::new(store).await;
    mixture(&lab).await;
    let of_states = |states: &[State]| Filter {
        states: states.into(),
        ..Filter::default()
    };
    let of_kinds = |kinds| Filter {
        kinds,
        ..Filter::default()
    };
    let of_queues = |queues| Filter {
        queues,
        ..Filter::default()
    };
    let both = vec![OTHER.to_owned(), KIND.to_owned()];
    for (filter, expected) in [
        (Filter::default(), &["5", "4", "3", "2", "1"][..]),
        (of_states(&[State::Completed]), &["1"]),
        (
            of_states(&[State::Completed, State::Cancelled]),
            &["3", "1"],
        ),
        (of_states(&[State::Failed]), &[]),
        (of_states(&State::ALL), &["5", "4", "3", "2", "1"]),
        (of_kinds(one(OTHER)), &["4", "2"]),
        (of_kinds(both), &["5", "4", "3", "2", "1"]),
        (of_kinds(one("suite.none")), &[]),
        (of_queues(one("night")), &["3", "2"]),
        (
            of_queues(vec![QUEUE.to_owned(), "none".to_owned()]),
            &["5", "4", "1"],
        ),
    ] {
        see_shown(&lab, filter, expected).await;
    }
}

/// A filter shows one owner's jobs, and those with all its labels, exactly as they are written.
pub async fn filters_show_owners_and_labels(store: &dyn Store) {
    let lab = Lab::new(store).await;
    mixture(&lab).await;
    let of_owner = |owner: &str| Filter {
        owner: Some(owner.to_owned()),
        ..Filter::default()
    };
    let of_labels = |labels| Filter {
        labels,
        ..Filter::default()
    };
    let both = [label("city", "Ulm"), label("size", "9")];
    for (filter, expected) in [
        (of_owner("anna"), &["2", "1"][..]),
        (of_owner(""), &[]),
        (of_owner("Anna"), &[]),
        (of_labels(label("city", "Ulm")), &["2", "1"]),
        (of_labels(label("city", "ulm")), &["3"]),
        (of_labels(label("$.city", "Ulm")), &["4"]),
        (of_labels(label("size", "")), &[]),
        (of_labels(label("city", "%")), &[]),
        (of_labels(both.into_iter().flatten().collect()), &["2"]),
    ] {
        see_shown(&lab, filter, expected).await;
    }
}

/// A filter shows what fits all its parts.
pub async fn filters_show_what_fits_all_parts(store: &dyn Store) {
    let lab = Lab::new(store).await;
    mixture(&lab).await;
    let filter = Filter {
        owner: Some("ben".to_owned()),
        states: vec![State::Running],
        kinds: one(OTHER),
        queues: one(QUEUE),
        labels: label("size", "9"),
        ..Filter::default()
    };
    see_shown(&lab, filter.clone(), &["4"]).await;
    let owner = Some("anna".to_owned());
    let states = vec![State::Completed];
    for other in [
        Filter {
            owner,
            ..filter.clone()
        },
        Filter {
            states,
            ..filter.clone()
        },
        Filter {
            kinds: one(KIND),
            ..filter.clone()
        },
        Filter {
            queues: one("night"),
            ..filter.clone()
        },
        Filter {
            labels: label("size", "8"),
            ..filter.clone()
        },
    ] {
        see_shown(&lab, other, &[]).await;
    }
    let no_queue = Filter {
        states: vec![State::Pending, State::Running],
        queues: Vec::new(),
        ..filter
    };
    see_shown(&lab, no_queue, &["4"]).await;
}

/// A filtered list has pages like any other.
pub async fn filtered_jobs_are_read_in_pages(store: &dyn Store) {
    let lab = Lab::new(store).await;
    let mut many = jobs("a", 30);
    for one in many.iter_mut().step_by(3) {
        one.labels.insert("third".to_owned(), "yes".to_owned());
        "anna".clone_into(&mut one.owner);
    }
    lab.insert(many).await;
    let filter = Filter {
        owner: Some("anna".to_owned()),
        labels: Labels::from([("third".to_owned(), "yes".to_owned())]),
        ..Filter::default()
    };
    let mut read = Vec::new();
    let mut before = None;
    for expected in [4, 4, 2, 0] {
        let page = store.jobs(&filter, before, 4).await.expect("jobs");
        assert_eq!(page.len(), expected);
        before = page.last().map(|job| job.seq).or(before);
        read.extend(page.into_iter().map(|job| job.id.to_string()));
    }
    let expected: Vec<String> = (0..10).rev().map(|n| format!("a-{}", n * 3)).collect();
    assert_eq!(read, expected);
}

/// Counts are by kind and queue, of one owner or of all.
pub async fn counts_are_by_kind_and_queue(store: &dyn Store) {
    let lab = Lab::new(store).await;
    mixture(&lab).await;
    let counts = store.counts(Some("ben")).await.expect("counts");
    let place = |kind: &str, queue: &str| (kind.to_owned(), queue.to_owned());
    // Of the queue "night" nothing was claimed.
    let cancelled = Counts {
        cancelled: 1,
        ..Counts::default()
    };
    let running = Counts {
        running: 1,
        ..Counts::default()
    };
    let expected = BTreeMap::from([
        (place(KIND, "night"), cancelled),
        (place(KIND, QUEUE), running),
        (place(OTHER, QUEUE), running),
    ]);
    assert_eq!(counts, expected);
    let all = store.counts(None).await.expect("counts");
    assert_eq!(all[&place(KIND, QUEUE)].completed, 1);
    assert_eq!(all[&place(OTHER, "night")].pending, 1);
    let none = store.counts(Some("nobody")).await.expect("counts");
    assert_eq!(none, BTreeMap::new());
}

/// Counts are exact after every kind of change.
pub async fn counts_follow_every_change(store: &dyn Store) {
    let lab = Lab::new(store).await;
    let now = at(5);
    lab.insert(jobs("a", 12)).await;
    sound(store).await;
    assert!(store.insert(vec![job("b"), job("a-0")]).await.is_err());
    sound(store).await;
    let claimed = lab.claim(&lab.worker, now).await;
    sound(store).await;
    let ends = super::lab::ends().into_iter().chain([End::Cancelled]);
    for (one, end) in claimed.iter().zip(ends) {
        if end == End::Cancelled {
            lab.allowed(Request::Cancel, one.job.id.as_str(), now).await;
        }
        lab.end(held(one), end).await;
        sound(store).await;
    }
    let mut refused = Write::new(held(&claimed[6]), now);
    refused.jobs = vec![job("c"), job("a-0")];
    refused.end = Some(complete());
    lab.write(refused).await;
    sound(store).await;
    for (request, name) in [
        (Request::Cancel, "a-2"),
        (Request::Cancel, "a-3"),
        (Request::Retry, "a-1"),
        (Request::Remove, "a-2"),
        (Request::Cancel, "a-7"),
    ] {
        lab.allowed(request, name, now).await;
        sound(store).await;
    }
    lab.die(&lab.worker, now).await;
    sound(store).await;
    let sweep = Sweep {
        seq: claimed[0].job.seq,
        row: true,
        log: false,
        result: false,
        progress: false,
        next: None,
    };
    store.sweep(vec![sweep]).await.expect("sweep");
    sound(store).await;
    let counts = store.counts(None).await.expect("counts");
    let counts = counts[&(KIND.to_owned(), QUEUE.to_owned())];
    let found = State::ALL.map(|state| counts.of(state));
    assert_eq!(
        found,
        [7, 0, 0, 0, 3],
        "pending, running, completed, failed, cancelled"
    );
}

/// Items are read in pages by position, all or those in one state.
pub async fn items_are_read_in_pages(store: &dyn Store) {
    let lab = Lab::new(store).await;
    let claim = lab.run("a").await;
    let items = (0..25).map(|n| {
        let state = ItemState::ALL[n % 4];
        item(&format!("item {n}"), state)
    });
    lab.done(Write {
        items: items.collect(),
        ..Write::new(claim, at(1))
    })
    .await;
    let read = async |state, after, limit| {
        let page = store.items(claim.job, state, after, limit).await;
        let page = page.expect("items");
        page.iter().map(|item| item.position).collect::<Vec<u32>>()
    };
    assert_eq!(read(None, None, 3).await, [0, 1, 2]);
    assert_eq!(read(None, Some(2), 3).await, [3, 4, 5]);
    assert_eq!(read(None, Some(22), 9).await, [23, 24]);
    assert_eq!(read(None, Some(24), 9).await, [0; 0]);
    assert_eq!(read(None, Some(u32::MAX), 9).await, [0; 0]);
    assert_eq!(read(None, None, 0).await, [0; 0]);
    assert_eq!(read(Some(ItemState::Failed), None, 3).await, [3, 7, 11]);
    assert_eq!(
        read(Some(ItemState::Failed), Some(11), 9).await,
        [15, 19, 23]
    );
    assert_eq!(read(Some(ItemState::Running), Some(1), 1).await, [5]);
}

/// A log is read in pages by number, and by its last lines, in order.
pub async fn logs_are_read_in_pages(store: &dyn Store) {
    let lab = Lab::new(store).await;
    let claim = lab.run("a").await;
    let texts: Vec<String> = (1..=20).map(|n| n.to_string()).collect();
    let texts: Vec<&str> = texts.iter().map(String::as_str).collect();
    lab.done(Write {
        log: lines(&texts),
        ..Write::new(claim, at(1))
    })
    .await;
    let read = async |after, limit| {
        let page = store.log(claim.job, after, limit).await.expect("log");
        let texts = page.iter().all(|line| line.text == line.number.to_string());
        assert!(texts, "{page:?}");
        page.iter().map(|line| line.number).collect::<Vec<u64>>()
    };
    assert_eq!(read(0, 3).await, [1, 2, 3]);
    assert_eq!(read(3, 2).await, [4, 5]);
    assert_eq!(read(18, 9).await, [19, 20]);
    assert_eq!(read(20, 9).await, [0; 0]);
    assert_eq!(read(i64::MAX as u64, 9).await, [0; 0]);
    assert_eq!(read(0, 0).await, [0; 0]);
    let tail = async |limit| {
        let page = store.log_tail(claim.job, limit).await.expect("tail");
        page.iter().map(|line| line.number).collect::<Vec<u64>>()
    };
    assert_eq!(tail(3).await, [18, 19, 20]);
    assert_eq!(tail(0).await, [0; 0]);
    assert_eq!(tail(99).await.len(), 20);
}

/// A log is bounded: its first tenth and its newest lines are kept, and numbers are never used twice.
pub async fn a_log_is_bounded(store: &dyn Store) {
    let lab = Lab::new(store).await;
    let claim = lab.run("a").await;
    let limit = limits().log_lines;
    let mut written = 0;
    for lines_at_once in [1, 30, 19, 1, 7, 120, 3] {
        let texts: Vec<String> = (1..=lines_at_once)
            .map(|n| (written + n).to_string())
            .collect();
        let texts: Vec<&str> = texts.iter().map(String::as_str).collect();
        let done = lab
            .done(Write {
                log: lines(&texts),
                ..Write::new(claim, at(1))
            })
            .await;
        assert_eq!(done.first_line, written + 1);
        written += lines_at_once;
        let log = store.log(claim.job, 0, 999).await.expect("log");
        let found: Vec<u64> = log.iter().map(|line| line.number).collect();
        let kept = |number: &u64| *number <= limit / 10 || *number + limit - limit / 10 > written;
        let expected: Vec<u64> = (1..=written).filter(kept).collect();
        assert_eq!(found, expected, "after {written} lines");
        assert!(found.len() as u64 <= limit);
        assert!(log.iter().all(|line| line.text == line.number.to_string()));
    }
    let tail = store.log_tail(claim.job, 2).await.expect("tail");
    assert_eq!(tail.last().map(|line| line.number), Some(written));
}

/// A detail is the job that a list shows, with its args, and its result when it has one.
pub async fn a_detail_is_the_job_of_the_list(store: &dyn Store) {
    let lab = Lab::new(store).await;
    lab.ended("a", fail()).await;
    lab.run("b").await;
    lab.submit(job("c")).await;
    let listed = store.jobs(&Filter::default(), None, 10).await;
    for job in listed.expect("jobs") {
        assert_eq!(lab.get(job.seq).await, job);
        let found = store.job(Some(""), &job.id).await.expect("job");
        assert_eq!(found, Some(job));
    }
}

/// An installation has one number for all time.
pub async fn an_installation_has_a_number(store: &dyn Store) {
    let number = store.installation().await.expect("a number");
    assert_ne!(number, 0);
    let lab = Lab::new(store).await;
    lab.submit(job("a")).await;
    assert_eq!(store.installation().await.expect("a number"), number);
}
