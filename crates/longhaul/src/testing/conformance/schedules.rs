//! Schedules: kept by owner and name, moved on with their jobs or not at all, and by one of many.

use std::time::Duration;

use longhaul_types::{Timestamp, schedule::Overlap};

use super::lab::{ALL, KIND, Lab, at, job, secs};
use crate::{
    NewJob,
    model::{Schedule, Scheduled},
    store::{Error, Fire, Fired, Insert, PutDone, PutSchedule, Store},
};

fn schedule(name: &str) -> Schedule {
    Schedule::every(name, secs(10), NewJob::raw(KIND, "{}"))
}

fn owned(owner: &str, name: &str) -> Schedule {
    Schedule {
        owner: owner.to_owned(),
        ..schedule(name)
    }
}

fn put(schedule: Schedule, next: u64, replaces: Option<u64>) -> PutSchedule {
    PutSchedule {
        schedule,
        next_at: Some(at(next)),
        replaces,
        most: 1_000_000,
        now: at(0),
    }
}

async fn add(store: &dyn Store, schedule: Schedule, next: u64) -> Scheduled {
    match store.put_schedule(put(schedule, next, None)).await {
        Ok(PutDone::Done(scheduled)) => *scheduled,
        other => panic!("not put: {other:?}"),
    }
}

/// Moves a schedule on by ten seconds with these jobs.
fn fire(one: &Scheduled, jobs: &[&str]) -> Fire {
    let time = one.next_at.expect("a next time");
    Fire {
        owner: one.schedule.owner.clone(),
        name: one.schedule.name.clone(),
        revision: one.revision,
        jobs: jobs.iter().map(|name| (time, job(name))).collect(),
        next_at: Some(time + secs(10)),
        look_at: Some(time + secs(10)),
        missed: 0,
        error: None,
    }
}

async fn fired(store: &dyn Store, fires: Vec<Fire>) -> Vec<Fired> {
    store.fire(fires).await.expect("fire")
}

async fn read(store: &dyn Store, name: &str) -> Scheduled {
    let found = store.schedule(None, name).await.expect("read");
    found.expect("the schedule")
}

async fn due(store: &dyn Store, now: Timestamp) -> Vec<String> {
    let due = store.due_schedules(now, ALL).await.expect("due");
    due.into_iter().map(|one| one.schedule.name).collect()
}

/// What is put is read as it was, until it is removed.
pub async fn a_schedule_is_kept_as_it_was_put(store: &dyn Store) {
    let _lab = Lab::new(store).await;
    let whole = Schedule::cron("nightly ü/1", "30 2 * * *", NewJob::raw(KIND, r#"{"a":1}"#))
        .zone("Europe/Berlin")
        .starting(at(1))
        .until(at(99_999_999))
        .missed_window(Duration::from_millis(1_500))
        .missed_limit(7)
        .overlap(Overlap::Skip);
    let added = add(store, whole.clone(), 60).await;
    assert_eq!(added.schedule, whole.paused(false));
    assert_eq!((added.next_at, added.look_at), (Some(at(60)), Some(at(60))));
    assert_eq!((added.submitted, added.missed, added.skipped), (0, 0, 0));
    assert_eq!((added.created_at, added.updated_at), (at(0), at(0)));
    assert_eq!(read(store, "nightly ü/1").await, added);
    assert!(
        store
            .remove_schedule("", "nightly ü/1")
            .await
            .expect("removed")
    );
    assert!(
        !store
            .remove_schedule("", "nightly ü/1")
            .await
            .expect("gone")
    );
    assert!(
        !store
            .remove_schedule("nobody", "x")
            .await
            .expect("never there")
    );
    assert_eq!(
        store.schedule(None, "nightly ü/1").await.expect("read"),
        None
    );
    assert_eq!(store.next_schedule().await.expect("next"), None);
}

/// A put changes the revision that was read, or nothing; what it counted goes on.
pub async fn a_schedule_is_replaced_in_the_revision_that_was_read(store: &dyn Store) {
    let _lab = Lab::new(store).await;
    let first = add(store, schedule("a"), 10).await;
    fired(store, vec![fire(&first, &["one"])]).await;
    for stale in [None, Some(first.revision)] {
        let answer = store.put_schedule(put(schedule("a"), 99, stale)).await;
        assert_eq!(answer.expect("put"), PutDone::Stale);
    }
    let absent = store.put_schedule(put(schedule("b"), 99, Some(1))).await;
    assert_eq!(absent.expect("put"), PutDone::Stale);
    let now = read(store, "a").await;
    assert_eq!(now.next_at, Some(at(20)));
    let later = PutSchedule {
        now: at(5),
        ..put(schedule("a").paused(true), 99, Some(now.revision))
    };
    let Ok(PutDone::Done(replaced)) = store.put_schedule(later).await else {
        panic!("replaced")
    };
    assert!(replaced.is_paused());
    assert_eq!((replaced.next_at, replaced.look_at), (None, None));
    assert_eq!((replaced.submitted, &replaced.last), (1, &now.last));
    assert_eq!((replaced.created_at, replaced.updated_at), (at(0), at(5)));
    assert!(replaced.revision > now.revision);
}

/// Names are of their owner; pages go by name, then owner.
pub async fn schedules_are_read_in_pages(store: &dyn Store) {
    let _lab = Lab::new(store).await;
    for (owner, name) in [("y", "b"), ("", "c"), ("x", "b"), ("x", "a"), ("", "b")] {
        add(store, owned(owner, name), 10).await;
    }
    let page = async |owner, after, limit| -> Vec<(String, String)> {
        let page = store.schedules(owner, after, limit).await.expect("a page");
        let named = page.into_iter().map(|one| one.schedule);
        named.map(|one| (one.name, one.owner)).collect()
    };
    let pairs = |pairs: &[(&str, &str)]| -> Vec<(String, String)> {
        let owned = |(name, owner): &(&str, &str)| ((*name).to_owned(), (*owner).to_owned());
        pairs.iter().map(owned).collect()
    };
    let all = [("a", "x"), ("b", ""), ("b", "x"), ("b", "y"), ("c", "")];
    assert_eq!(page(None, None, ALL).await, pairs(&all));
    assert_eq!(page(None, Some(("b", "")), 2).await, pairs(&all[2..4]));
    assert_eq!(page(None, Some(("c", "")), 2).await, []);
    assert_eq!(
        page(Some("x"), None, ALL).await,
        pairs(&[("a", "x"), ("b", "x")])
    );
    assert_eq!(
        page(Some("x"), Some(("a", "x")), ALL).await,
        pairs(&[("b", "x")])
    );
    assert_eq!(page(Some("z"), None, ALL).await, []);
    let of = async |owner| {
        let found = store.schedule(owner, "b").await.expect("read");
        found.map(|one| one.schedule.owner)
    };
    assert_eq!(of(None).await.as_deref(), Some(""));
    assert_eq!(of(Some("y")).await.as_deref(), Some("y"));
    assert_eq!(of(Some("z")).await, None);
    store.remove_schedule("x", "b").await.expect("removed");
    assert_eq!(of(Some("x")).await, None);
    assert_eq!(of(Some("y")).await.as_deref(), Some("y"));
}

/// A kind that nobody declared, and one schedule more than there may be, are refused.
pub async fn schedules_that_can_not_be_are_refused(store: &dyn Store) {
    let _lab = Lab::new(store).await;
    let unknown = Schedule::every("a", secs(10), NewJob::raw("suite.unknown", "{}"));
    let refused = store.put_schedule(put(unknown, 10, None)).await;
    assert!(matches!(refused, Err(Error::UnknownKind(kind)) if kind == "suite.unknown"));
    let first = add(store, schedule("a"), 10).await;
    let narrow = |name: &str, replaces| PutSchedule {
        most: 1,
        ..put(schedule(name), 10, replaces)
    };
    let refused = store.put_schedule(narrow("b", None)).await;
    assert!(matches!(refused, Err(Error::TooManySchedules(1))));
    let replaced = store.put_schedule(narrow("a", Some(first.revision))).await;
    assert!(matches!(replaced, Ok(PutDone::Done(_))), "no schedule more");
}

/// What is due is known, the longest due first, and when the next one is.
pub async fn due_schedules_are_known(store: &dyn Store) {
    let _lab = Lab::new(store).await;
    assert_eq!(store.next_schedule().await.expect("next"), None);
    for (name, next) in [("later", 30), ("first", 10), ("second", 20)] {
        add(store, schedule(name), next).await;
    }
    add(store, schedule("paused").paused(true), 5).await;
    assert_eq!(store.next_schedule().await.expect("next"), Some(at(10)));
    assert_eq!(due(store, at(9)).await, [""; 0]);
    assert_eq!(due(store, at(20)).await, ["first", "second"]);
    let one = store.due_schedules(at(99), 1).await.expect("due");
    assert_eq!(one[0].schedule.name, "first");
    // Put off: it stays due, and is looked at later.
    let off = Fire {
        next_at: Some(at(10)),
        look_at: Some(at(40)),
        error: Some("full".to_owned()),
        ..fire(&one[0], &[])
    };
    assert_eq!(fired(store, vec![off]).await, [Fired::Done(vec![])]);
    assert_eq!(due(store, at(35)).await, ["second", "later"]);
    let first = read(store, "first").await;
    assert_eq!(first.next_at, Some(at(10)));
    assert_eq!(first.error.as_deref(), Some("full"));
    assert_eq!(first.last, None);
    assert_eq!(due(store, at(40)).await, ["second", "later", "first"]);
}

/// A schedule moves on with its jobs, and counts them.
pub async fn a_schedule_moves_on_with_its_jobs(store: &dyn Store) {
    let lab = Lab::new(store).await;
    let one = add(store, schedule("a"), 10).await;
    let twice = Fire {
        missed: 3,
        ..fire(&one, &["one", "two"])
    };
    let answers = fired(store, vec![twice]).await;
    let [Fired::Done(inserted)] = &answers[..] else {
        panic!("{answers:?}")
    };
    assert!(inserted.iter().all(|job| job.new));
    assert_eq!(lab.claim(&lab.worker, at(10)).await.len(), 2);
    let now = read(store, "a").await;
    assert_eq!((now.submitted, now.missed, now.skipped), (2, 3, 0));
    assert_eq!(now.last, Some((at(10), inserted[1].id.clone())));
    assert_eq!(now.next_at, Some(at(20)));
    assert!(now.revision > one.revision);
    // Its last time: there is none after it.
    let last = Fire {
        next_at: None,
        look_at: None,
        ..fire(&now, &["three"])
    };
    fired(store, vec![last]).await;
    assert_eq!(read(store, "a").await.next_at, None);
    assert_eq!(due(store, at(99_999)).await, [""; 0]);
}

/// Of several that found it due, one moves it on; a schedule that was changed or removed is left alone.
pub async fn a_schedule_moves_on_once(store: &dyn Store) {
    let lab = Lab::new(store).await;
    let one = add(store, schedule("a"), 10).await;
    let both = futures_util::future::join(
        store.fire(vec![fire(&one, &["from-x"])]),
        store.fire(vec![fire(&one, &["from-y"])]),
    );
    let (x, y) = both.await;
    let answers = [x.expect("fire"), y.expect("fire")].concat();
    let stale = answers.iter().filter(|one| **one == Fired::Stale).count();
    assert_eq!(stale, 1, "{answers:?}");
    assert_eq!(lab.claim(&lab.worker, at(99)).await.len(), 1);
    let again = fired(store, vec![fire(&one, &["late"])]).await;
    assert_eq!(again, [Fired::Stale]);
    let now = read(store, "a").await;
    store.remove_schedule("", "a").await.expect("removed");
    let gone = fired(store, vec![fire(&now, &["gone"])]).await;
    assert_eq!(gone, [Fired::Stale]);
    assert_eq!(lab.claim(&lab.worker, at(99)).await.len(), 0);
}

/// A job that does not fit leaves its schedule where it is, and the others of the call go on.
pub async fn a_refused_job_moves_nothing(store: &dyn Store) {
    let lab = Lab::new(store).await;
    let (bad, good) = (
        add(store, schedule("bad"), 10).await,
        add(store, schedule("good"), 10).await,
    );
    lab.submit(job("taken")).await;
    let fires = vec![fire(&bad, &["fresh", "taken"]), fire(&good, &["good"])];
    let answers = fired(store, fires).await;
    assert!(matches!(&answers[0], Fired::Refused(why) if why.contains("taken")));
    assert!(matches!(&answers[1], Fired::Done(inserted) if inserted[0].new));
    assert_eq!(read(store, "bad").await, bad);
    assert_eq!(read(store, "good").await.submitted, 1);
    // `fresh` went with the refusal.
    assert_eq!(lab.claim(&lab.worker, at(99)).await.len(), 2);
}

/// A job that a key finds there already counts as skipped, and is not the last one.
pub async fn a_job_that_is_there_counts_as_skipped(store: &dyn Store) {
    let lab = Lab::new(store).await;
    let one = add(store, schedule("a"), 10).await;
    let keyed = |one: &Scheduled, name: &str| {
        let mut fire = fire(one, &[name]);
        fire.jobs[0].1 = Insert {
            unique_key: Some("schedule:a".to_owned()),
            ..job(name)
        };
        fire
    };
    fired(store, vec![keyed(&one, "first")]).await;
    let one = read(store, "a").await;
    fired(store, vec![keyed(&one, "second")]).await;
    let now = read(store, "a").await;
    assert_eq!((now.submitted, now.skipped), (1, 1));
    assert_eq!(now.last.map(|(time, _)| time), Some(at(10)));
    assert_eq!(now.next_at, Some(at(30)));
    assert_eq!(lab.claim(&lab.worker, at(99)).await.len(), 1);
}
