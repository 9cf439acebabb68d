//! Queues over HTTP.

use longhaul::types::{ErrorCode, State, body::QueueView};
use longhaul_client::Error;
use reqwest::StatusCode;
use serde_json::{Value, json};

use crate::support::{Rig, within};

fn named<'q>(queues: &'q [QueueView], name: &str) -> &'q QueueView {
    let mut queues = queues.iter();
    queues.find(|queue| queue.name == name).unwrap()
}

#[tokio::test]
async fn a_queue_is_paused_and_resumed() {
    let rig = Rig::new().await;
    let running = rig.submit("test.gate", json!({})).await;
    rig.until(&running, State::Running).await;
    let paused = rig.client.pause_queue("gates").await.unwrap();
    assert!(paused.paused && paused.paused_at.is_some());
    assert_eq!((paused.counts.running, paused.concurrency), (1, 16));

    // What runs goes on, what comes waits, other queues do not notice.
    let waiting = rig.submit("test.gate", json!({})).await;
    rig.gate.send_replace(2);
    rig.until(&running, State::Completed).await;
    let other = rig.submit("test.echo", json!({})).await;
    rig.until(&other, State::Completed).await;
    assert_eq!(
        rig.client.job(&waiting).await.unwrap().state,
        State::Pending
    );
    let queues = rig.client.queues().await.unwrap();
    let gates = named(&queues, "gates");
    assert!(gates.paused);
    assert_eq!((gates.counts.pending, gates.counts.completed), (1, 1));
    assert!(!named(&queues, "default").paused);

    let again = rig.client.pause_queue("gates").await.unwrap();
    assert_eq!(again.paused_at, paused.paused_at, "the first time stands");
    let resumed = rig.client.resume_queue("gates").await.unwrap();
    assert!(!resumed.paused);
    rig.until(&waiting, State::Completed).await;
    rig.client.resume_queue("gates").await.unwrap();
    rig.stop().await;
}

#[tokio::test]
async fn unknown_queues_are_refused_and_odd_names_are_names() {
    let rig = Rig::new().await;
    for name in ["gate", "a/b", "..", "ü %2f", "x?y=z"] {
        for answer in [
            rig.client.pause_queue(name).await,
            rig.client.resume_queue(name).await,
        ] {
            let Err(Error::Refused(problem)) = answer else {
                panic!("{name}: refused, not {answer:?}")
            };
            // A name of dots is a path of its own to every client.
            if name != ".." {
                assert_eq!(problem.code, ErrorCode::UnknownQueue, "{name}");
            }
        }
    }
    let odd = longhaul::types::body::SubmitRequest {
        queue: Some("a/b ü".to_owned()),
        ..crate::support::request("test.echo", json!({}))
    };
    rig.client.submit(&odd).await.unwrap();
    assert!(rig.client.pause_queue("a/b ü").await.unwrap().paused);
    let queues = rig.client.queues().await.unwrap();
    let odd = named(&queues, "a/b ü");
    assert_eq!(
        (odd.paused, odd.concurrency, odd.counts.pending),
        (true, 0, 1)
    );

    let address = "http://localhost/api/v1/queues?owner=x";
    let answer = rig.bare().get(address).send().await.unwrap();
    assert_eq!(answer.status(), StatusCode::BAD_REQUEST);
    let address = "http://localhost/api/v1/queues/%ff/pause";
    let answer = rig.bare().post(address).send().await.unwrap();
    assert_eq!(answer.status(), StatusCode::BAD_REQUEST);
    let problem: Value = within(answer.json()).await.unwrap();
    assert_eq!(problem["code"], "bad_request");
    rig.stop().await;
}
