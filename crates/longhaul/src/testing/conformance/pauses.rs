//! Pauses: of a paused queue nothing is given, and nothing else changes.

use std::collections::BTreeMap;

use longhaul_types::State;

use super::lab::{Lab, QUEUE, at, complete, held, job, jobs, names, request};
use crate::store::{ClaimRequest, End, Insert, Request, Store, Write};

/// While a queue is paused, no worker gets a job of it, whenever that was submitted or becomes due.
pub async fn a_paused_queue_gives_nothing(store: &dyn Store) {
    let lab = Lab::new(store).await;
    let other = lab.join("second").await;
    lab.submit(job("before")).await;
    store.pause(QUEUE, at(1)).await.expect("pause");
    lab.submit(job("after")).await;
    for worker in [&lab.worker, &other] {
        assert_eq!(names(&lab.claim(worker, at(2)).await), [""; 0]);
    }
    assert_eq!(names(&lab.claim(&lab.worker, at(9_999)).await), [""; 0]);
}

/// What ran before the pause reports and ends as ever; what goes back to wait stays.
pub async fn a_pause_stops_no_run(store: &dyn Store) {
    let lab = Lab::new(store).await;
    let ends = lab.run("ends").await;
    let returns = lab.run("returns").await;
    let parked = lab.parked("parked").await;
    store.pause(QUEUE, at(1)).await.expect("pause");
    lab.done(Write {
        checkpoint: Some("1".to_owned()),
        ..Write::new(ends, at(1))
    })
    .await;
    assert_eq!(lab.end(ends, complete()).await.state, State::Completed);
    lab.end(returns, End::Release { at: at(1) }).await;
    assert_eq!(lab.end(parked, complete()).await.state, State::Completed);
    assert_eq!(names(&lab.claim(&lab.worker, at(2)).await), [""; 0]);
}

/// A resumed queue gives what waited meanwhile, in its order.
pub async fn a_resumed_queue_gives_again(store: &dyn Store) {
    let lab = Lab::new(store).await;
    store.pause(QUEUE, at(0)).await.expect("pause");
    lab.insert(jobs("a", 3)).await;
    assert_eq!(lab.claim(&lab.worker, at(1)).await.len(), 0);
    store.resume(QUEUE).await.expect("resume");
    let claimed = lab.claim(&lab.worker, at(1)).await;
    assert_eq!(names(&claimed), ["a-0", "a-1", "a-2"]);
    // And may be paused again.
    lab.end(held(&claimed[0]), End::Release { at: at(1) }).await;
    store.pause(QUEUE, at(2)).await.expect("pause");
    assert_eq!(lab.claim(&lab.worker, at(3)).await.len(), 0);
}

/// Other queues give as ever, in the same claim.
pub async fn a_pause_is_of_one_queue(store: &dyn Store) {
    let lab = Lab::new(store).await;
    let elsewhere = Insert {
        queue: "other".to_owned(),
        ..job("other")
    };
    lab.insert(vec![job("paused"), elsewhere]).await;
    store.pause(QUEUE, at(0)).await.expect("pause");
    let both = ClaimRequest {
        slots: vec![(QUEUE.to_owned(), 9), ("other".to_owned(), 9)],
        ..request(&lab.worker, at(0))
    };
    let claimed = store.claim(both).await.expect("claim");
    assert_eq!(names(&claimed), ["other"]);
}

/// What is paused is known, with when that was first asked for; resuming what is not paused is no error.
pub async fn pauses_are_known_with_their_time(store: &dyn Store) {
    let paused = async || store.paused().await.expect("paused");
    assert_eq!(paused().await, BTreeMap::new());
    store.pause("b", at(5)).await.expect("pause");
    store.pause("a", at(6)).await.expect("pause");
    store.pause("b", at(7)).await.expect("paused twice");
    let both = [("a".to_owned(), at(6)), ("b".to_owned(), at(5))];
    assert_eq!(paused().await, BTreeMap::from(both));
    for queue in ["a", "b", "b", "never heard of"] {
        store.resume(queue).await.expect("resume");
    }
    assert_eq!(paused().await, BTreeMap::new());
}

/// Jobs are submitted, cancelled, and end at their deadline as ever.
pub async fn a_paused_queue_takes_jobs_and_requests(store: &dyn Store) {
    let lab = Lab::new(store).await;
    let late = lab
        .submit(Insert {
            timeout: Some(super::lab::secs(10)),
            ..job("late")
        })
        .await;
    let claimed = lab.claim(&lab.worker, at(0)).await;
    lab.end(held(&claimed[0]), End::Release { at: at(1) }).await;
    store.pause(QUEUE, at(1)).await.expect("pause");
    let seq = lab.submit(job("cancelled")).await;
    lab.allowed(Request::Cancel, "cancelled", at(2)).await;
    assert_eq!(lab.state(seq).await, State::Cancelled);
    store.expire(at(11)).await.expect("expire");
    assert_eq!(lab.state(late).await, State::Failed);
}
