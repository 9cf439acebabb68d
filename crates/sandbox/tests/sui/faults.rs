//! Each way the node can be told to fail, and what the real client makes of it.

use std::time::Duration;

use longhaul_sandbox::sui::{Call, Fault, Object, Rule};
use prost_types::value::Kind;
use serde_json::json;
use sui_rpc::{
    client::EventStreamStart,
    proto::sui::rpc::v2::{GetServiceInfoRequest, SubscribeEventsRequest, SubscribeEventsResponse},
};
use tonic::{Code, Status};

use crate::support::{
    NFT, at_tip, client, emit, frames, list, names, next, object, quiet, stream, stream_request,
    titles, until, within,
};

/// The frames of one subscription until it ends: the titles, and why it ended if not well.
async fn subscription(node: &longhaul_sandbox::sui::Node) -> (Vec<String>, Option<Status>) {
    let request = SubscribeEventsRequest::default()
        .with_read_mask(crate::support::events_mask())
        .with_filter(crate::support::filter());
    let mut client = client(node);
    let answer = client.subscription_client().subscribe_events(request).await;
    let mut frames = answer.expect("a stream").into_inner();
    let first: Option<SubscribeEventsResponse> = within(frames.message()).await.expect("a frame");
    assert!(first.expect("a frame").event.is_none());
    emit(node, 1..=6);
    let mut titles = Vec::new();
    // The whole of it within the deadline: a stream that goes on has heartbeats for ever.
    let read = within(async {
        while let Some(frame) = frames.message().await? {
            titles.extend(frame.event.as_ref().map(crate::support::title));
        }
        Ok(())
    });
    let status = read.await.err();
    (titles, status)
}

fn sent(node: &longhaul_sandbox::sui::Node, call: Call) -> Vec<u64> {
    let requests = node.requests();
    let requests = requests.iter().filter(|request| request.call == call);
    requests.map(|request| request.sent).collect()
}

#[tokio::test]
async fn a_call_is_refused_as_often_as_it_is_told_to() {
    let node = quiet().await;
    node.put_object(Object::new("0x1", NFT, json!({})))
        .expect("stored");
    emit(&node, 1..=3);
    let client = client(&node);
    node.faults()
        .add(Rule::new(Fault::Unavailable).times(2).on(Call::GetObject));
    for expected in [Some(Code::Unavailable), Some(Code::Unavailable), None] {
        let answer = object(&client, "0x1").await;
        assert_eq!(answer.err().map(|status| status.code()), expected);
    }
    let quota = Status::new(Code::PermissionDenied, "no");
    let fault = Fault::Status {
        code: quota.code().into(),
        message: quota.message().to_owned(),
    };
    node.faults().add(Rule::new(fault).skip(1).times(1));
    assert!(object(&client, "0x1").await.is_ok());
    assert_eq!(
        object(&client, "0x1").await.expect_err("refused").message(),
        "no"
    );
    assert!(node.faults().list().is_empty());
    // The client asks again by itself for lists.
    node.clear_requests();
    node.faults().add(
        Rule::new(Fault::ResourceExhausted)
            .times(3)
            .on(Call::ListEvents),
    );
    assert_eq!(
        names(&frames(&client, list()).await.expect("a list")),
        titles(1..=3)
    );
    let codes: Vec<_> = node
        .requests()
        .into_iter()
        .map(|request| request.code)
        .collect();
    let exhausted = "RESOURCE_EXHAUSTED";
    assert_eq!(codes, [exhausted, exhausted, exhausted, "OK"]);
    node.stop().await;
}

#[tokio::test]
async fn a_connection_is_cut_after_so_many_events() {
    let node = quiet().await;
    let after = 3;
    node.faults().add(
        Rule::new(Fault::Disconnect { after })
            .times(1)
            .on(Call::SubscribeEvents),
    );
    let (found, status) = subscription(&node).await;
    assert_eq!(found, titles(1..=3));
    let status = status.expect("cut");
    assert!(
        matches!(
            status.code(),
            Code::Unknown | Code::Unavailable | Code::Cancelled
        ),
        "{status:?}"
    );
    assert_eq!(sent(&node, Call::SubscribeEvents), [3]);
    node.faults()
        .add(Rule::new(Fault::Disconnect { after: 0 }).times(1));
    assert!(object(&client(&node), "0x1").await.is_err());
    node.stop().await;
}

#[tokio::test]
async fn the_client_loses_nothing_when_streams_are_cut_ended_or_stalled() {
    let node = quiet().await;
    // A silent stream is given up by the client, as a dead connection is.
    let client = client(&node).with_body_idle_timeout(Duration::from_millis(300));
    let on = |fault| Rule::new(fault).times(1).on(Call::SubscribeEvents);
    node.faults().set(vec![
        on(Fault::End { after: 2 }),
        on(Fault::Stall { after: 3 }).skip(1),
        on(Fault::Disconnect { after: 4 }).skip(2),
    ]);
    let mut tip = at_tip(&client).await;
    for id in 1..=20 {
        emit(&node, [id]);
        assert_eq!(next(&mut tip, 1).await.0, titles([id]));
    }
    assert!(node.faults().list().is_empty());
    assert_eq!(sent(&node, Call::SubscribeEvents)[0], 2);
    node.stop().await;
}

#[tokio::test]
async fn a_list_that_is_cut_goes_on_behind_what_came() {
    let node = quiet().await;
    emit(&node, 1..=9);
    let cut = Rule::new(Fault::Disconnect { after: 4 })
        .times(2)
        .on(Call::ListEvents);
    node.faults().add(cut);
    let all = frames(&client(&node), list()).await.expect("a list");
    assert_eq!(names(&all), titles(1..=9));
    assert_eq!(sent(&node, Call::ListEvents), [4, 4, 1]);
    node.stop().await;
}

#[tokio::test]
async fn a_stream_ends_or_says_nothing_more() {
    let node = quiet().await;
    node.faults()
        .add(Rule::new(Fault::End { after: 2 }).times(1));
    let (found, status) = subscription(&node).await;
    assert_eq!((found, status.is_none()), (titles(1..=2), true));
    node.faults().add(
        Rule::new(Fault::Stall { after: 1 })
            .times(1)
            .on(Call::ListEvents),
    );
    let client = client(&node).with_body_idle_timeout(Duration::from_millis(50));
    let all = frames(&client, list()).await.expect("a list");
    assert_eq!(names(&all), titles(1..=6));
    assert_eq!(sent(&node, Call::ListEvents), [1, 5]);
    node.stop().await;
}

#[tokio::test]
async fn a_stream_sends_events_again() {
    let node = quiet().await;
    let mut tip = at_tip(&client(&node)).await;
    drop(tip);
    node.faults().add(
        Rule::new(Fault::Replay {
            after: 4,
            events: 3,
        })
        .times(1),
    );
    tip = at_tip(&client(&node)).await;
    emit(&node, 1..=6);
    let expected = titles([1, 2, 3, 4, 2, 3, 4, 5, 6]);
    assert_eq!(next(&mut tip, expected.len()).await.0, expected);
    node.stop().await;
}

#[tokio::test]
async fn a_node_behind_knows_only_older_checkpoints() {
    let node = quiet().await;
    emit(&node, 1..=8);
    let client = client(&node);
    node.faults()
        .add(Rule::new(Fault::Behind { checkpoints: 3 }));
    let info = client
        .clone()
        .ledger_client()
        .get_service_info(GetServiceInfoRequest::default())
        .await;
    assert_eq!(info.expect("info").into_inner().checkpoint_height, Some(5));
    let all = frames(&client, list()).await.expect("a list");
    assert_eq!(names(&all), titles(1..=5));
    let from = stream_request().with_start(EventStreamStart::Checkpoint(7));
    let mut from = stream(&client, from);
    let reader = tokio::spawn(async move { next(&mut from, 2).await.0 });
    until("asked for its tip again", || {
        sent(&node, Call::GetServiceInfo).len() >= 3
    })
    .await;
    node.faults().clear();
    assert_eq!(within(reader).await.expect("no panic"), titles(7..=8));
    node.stop().await;
}

#[tokio::test]
async fn a_slow_answer_outlasts_the_patience_of_a_client() {
    let node = quiet().await;
    node.put_object(Object::new("0x1", NFT, json!({})))
        .expect("stored");
    node.faults().add(
        Rule::new(Fault::Slow {
            milliseconds: 60_000,
        })
        .times(1),
    );
    let client = client(&node).with_response_headers_timeout(Duration::from_millis(50));
    let status = object(&client, "0x1").await.expect_err("too slow");
    assert!(
        matches!(status.code(), Code::DeadlineExceeded | Code::Cancelled),
        "{status:?}"
    );
    node.faults()
        .add(Rule::new(Fault::Slow { milliseconds: 20 }));
    let patient = crate::support::client(&node);
    assert!(object(&patient, "0x1").await.is_ok());
    emit(&node, 1..=3);
    assert_eq!(
        names(&frames(&patient, list()).await.expect("a list")),
        titles(1..=3)
    );
    node.stop().await;
}

#[tokio::test]
async fn contents_are_garbage() {
    let node = quiet().await;
    node.put_object(Object::new("0x1", NFT, json!({"title": "Buy milk"})))
        .expect("stored");
    emit(&node, [1]);
    let json = json!([null, {"title": 7}]);
    node.faults().add(Rule::new(Fault::Contents { json }));
    let client = client(&node);
    let found = object(&client, "0x1").await.expect("found");
    assert!(matches!(
        found.json.expect("contents").kind,
        Some(Kind::ListValue(_))
    ));
    let all = frames(&client, list()).await.expect("a list");
    let event = all[0].event.as_ref().expect("an event");
    assert!(matches!(
        event.json.as_ref().expect("contents").kind,
        Some(Kind::ListValue(_))
    ));
    node.stop().await;
}

#[tokio::test]
async fn a_message_is_larger_than_clients_take() {
    let node = quiet().await;
    node.put_object(Object::new("0x1", NFT, json!({"title": "Buy milk"})))
        .expect("stored");
    emit(&node, [1]);
    let bytes = 5 * 1024 * 1024;
    node.faults().add(Rule::new(Fault::Oversized { bytes }));
    let client = client(&node);
    let status = object(&client, "0x1").await.expect_err("too large");
    assert_eq!(status.code(), Code::OutOfRange, "{status}");
    let status = frames(&client, list()).await.expect_err("too large");
    assert_eq!(status.code(), Code::OutOfRange, "{status}");
    let roomy = client
        .clone()
        .with_max_decoding_message_size(8 * 1024 * 1024);
    assert!(object(&roomy, "0x1").await.is_ok());
    node.stop().await;
}
