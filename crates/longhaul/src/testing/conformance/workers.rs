//! Workers as a list shows them, and leases at a start.

use super::lab::{Lab, at, id, job, jobs, secs, worker};
use crate::{
    model::WorkerId,
    store::{Member, Store},
};

/// The worker of that name, if it is listed.
async fn find(store: &dyn Store, worker: &WorkerId, jobs: usize) -> Option<Member> {
    let members = store.members(jobs).await.expect("members");
    members.into_iter().find(|member| member.worker == *worker)
}

/// What a worker says of itself is listed until it says something else; whoever has not joined says nothing.
pub async fn a_worker_says_what_it_is(store: &dyn Store) {
    let lab = Lab::new(store).await;
    let before = find(store, &lab.worker, 9).await.expect("listed");
    assert_eq!((before.about, before.joined_at), (None, Some(at(0))));
    for about in ["{\"name\":\"one\"}", "{\"name\":\"zwei \u{1f980}\"}"] {
        let said = store.introduce(&lab.worker, about.to_owned()).await;
        said.expect("introduce");
        let found = find(store, &lab.worker, 9).await.expect("listed");
        assert_eq!(found.about.as_deref(), Some(about));
    }
    let stranger = worker("never joined");
    let said = store.introduce(&stranger, "{}".to_owned()).await;
    said.expect("no error");
    assert_eq!(find(store, &stranger, 9).await, None);
}

/// Workers are listed in the order in which they joined, with their leases, how many jobs they hold, and the first of
/// those: what runs before what waits for its check.
pub async fn workers_are_listed_with_what_they_hold(store: &dyn Store) {
    let lab = Lab::new(store).await;
    let leased = worker("a leased one");
    let joined = store.join(&leased, Some(secs(30)), at(5)).await;
    joined.expect("join");
    store.heartbeat(&leased, at(20)).await.expect("heartbeat");
    lab.parked("parked").await;
    lab.run("running").await;
    lab.insert(jobs("theirs", 3)).await;
    lab.claim(&leased, at(21)).await;
    lab.submit(job("nobodys")).await;
    let members = store.members(2).await.expect("members");
    let expected = [
        Member {
            worker: lab.worker.clone(),
            about: None,
            joined_at: Some(at(0)),
            lease: None,
            holds: 2,
            jobs: vec![id("running"), id("parked")],
        },
        Member {
            worker: leased,
            about: None,
            joined_at: Some(at(5)),
            lease: Some((secs(30), at(50))),
            holds: 3,
            jobs: vec![id("theirs-0"), id("theirs-1")],
        },
    ];
    assert_eq!(members, expected);
    for member in store.members(0).await.expect("members") {
        assert_eq!(member.jobs, []);
    }
}

/// Whoever has left, or lapsed and was noticed, is not listed; under its old name another one is.
pub async fn the_dead_are_not_listed(store: &dyn Store) {
    let lab = Lab::new(store).await;
    let leased = lab.join("leased").await;
    let said = store.introduce(&leased, "{}".to_owned()).await;
    said.expect("introduce");
    lab.submit(job("a")).await;
    lab.claim(&leased, at(0)).await;
    store.leave(&lab.worker).await.expect("leave");
    assert_eq!(find(store, &lab.worker, 9).await, None);
    assert_eq!(store.rescue(at(31)).await.expect("rescue").len(), 1);
    assert_eq!(store.members(9).await.expect("members"), []);
    let joined = store.join(&leased, Some(secs(30)), at(40)).await;
    joined.expect("join");
    let found = find(store, &leased, 9).await.expect("listed");
    assert_eq!((found.about, found.joined_at), (None, Some(at(40))));
    assert_eq!((found.holds, found.jobs), (0, Vec::new()));
}

/// At a start each lease, over or not, gets a whole period, none gets less, and a new owner takes nothing of theirs; an end
/// that was noticed before stays one.
pub async fn leases_begin_anew_at_a_start(store: &dyn Store) {
    let lab = Lab::new(store).await;
    let gone = lab.join("gone").await;
    lab.submit(job("rescued")).await;
    lab.claim(&gone, at(0)).await;
    assert_eq!(store.rescue(at(31)).await.expect("rescue").len(), 1);
    let leased = worker("leased");
    let joined = store.join(&leased, Some(secs(30)), at(40)).await;
    joined.expect("join");
    lab.claim(&leased, at(41)).await;
    let mine = lab.run("mine").await;

    store.extend_leases(at(500)).await.expect("extend");
    let next = store.join(&worker("next"), None, at(500)).await;
    next.expect("join");
    let rescued = store.rescue(at(500)).await.expect("rescue");
    let rescued: Vec<_> = rescued.iter().map(|job| job.seq).collect();
    assert_eq!(rescued, [mine.job]);
    assert_eq!(store.rescue(at(529)).await.expect("rescue"), []);
    store.extend_leases(at(100)).await.expect("extend");
    let beat = store.heartbeat(&leased, at(529)).await;
    assert!(beat.expect("heartbeat").held);
    let beat = store.heartbeat(&gone, at(500)).await;
    assert!(!beat.expect("heartbeat").held);
    assert_eq!(store.rescue(at(559)).await.expect("rescue").len(), 1);
}
