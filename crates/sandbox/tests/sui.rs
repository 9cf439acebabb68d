//! The Sui stand-in as the real client sees it.

use std::{future::Future, time::Duration};

use futures_util::{Stream, StreamExt as _};
use longhaul_sandbox::sui::{Event, Network, Node, Object, Options, Owner};
use serde_json::json;
use sui_rpc::{
    Client,
    client::{EventStreamFrame, EventStreamRequest, EventStreamStart},
    field::{FieldMask, FieldMaskUtil as _},
    proto::sui::rpc::v2::{
        self as proto, BatchGetObjectsRequest, EventFilter, GetObjectRequest,
        GetServiceInfoRequest, ListEventsRequest, filter::event, get_object_result,
    },
};

const PACKAGE: &str = "0xa11";
const DEADLINE: Duration = Duration::from_secs(30);

async fn quiet() -> Node {
    Options::new().quiet().start().await.expect("a node")
}

fn client(node: &Node) -> Client {
    Client::new(node.url()).expect("a client")
}

async fn within<T>(future: impl Future<Output = T>) -> T {
    tokio::time::timeout(DEADLINE, future)
        .await
        .expect("in time")
}

fn created(id: u64) -> Event {
    Event::new(
        format!("{PACKAGE}::todo_nft::TodoNFTCreated"),
        json!({"todo_id": format!("0x{id:064x}"), "title": format!("Todo {id}")}),
    )
}

fn mask(paths: &[&str]) -> FieldMask {
    FieldMask::from_paths(paths)
}

fn positions() -> FieldMask {
    mask(&[
        "checkpoint",
        "transaction_index",
        "event_index",
        "event_type",
        "json",
    ])
}

fn created_filter() -> EventFilter {
    EventFilter::matching(event::event_type(
        format!("{PACKAGE}::todo_nft::TodoNFTCreated").as_str(),
    ))
}

/// What a list gives: the titles, and the reason of the last end.
async fn listed(client: &Client, request: ListEventsRequest) -> Result<Vec<String>, tonic::Status> {
    let mut titles = Vec::new();
    let mut frames = Box::pin(client.list_events(request));
    while let Some(frame) = within(frames.next()).await {
        titles.extend(frame?.event.as_ref().map(title));
    }
    Ok(titles)
}

fn title(event: &proto::Event) -> String {
    text(event.json.as_deref().expect("json"), "title")
}

fn text(value: &prost_types::Value, field: &str) -> String {
    match &value.kind {
        Some(prost_types::value::Kind::StructValue(fields)) => match fields.fields[field].kind {
            Some(prost_types::value::Kind::StringValue(ref text)) => text.clone(),
            ref other => panic!("{field} is {other:?}"),
        },
        other => panic!("{other:?}"),
    }
}

/// The next so many events of a stream, with the cursor of each.
async fn next(
    stream: &mut (impl Stream<Item = Result<EventStreamFrame, tonic::Status>> + Unpin),
    events: usize,
) -> Vec<(String, bytes::Bytes)> {
    let mut found = Vec::new();
    while found.len() < events {
        let frame = within(stream.next())
            .await
            .expect("no end")
            .expect("a frame");
        found.extend(
            frame
                .event
                .as_ref()
                .map(|event| (title(event), frame.cursor.clone())),
        );
    }
    found
}

fn titles(ids: impl IntoIterator<Item = u64>) -> Vec<String> {
    ids.into_iter().map(|id| format!("Todo {id}")).collect()
}

fn names(events: &[(String, bytes::Bytes)]) -> Vec<String> {
    events.iter().map(|(title, _)| title.clone()).collect()
}

#[tokio::test]
async fn a_node_says_what_it_is() {
    let options = Options::new()
        .network(Network::Testnet)
        .first_checkpoint(1000);
    let node = options.quiet().start().await.expect("a node");
    node.advance(5);
    let mut ledger = client(&node);
    let mut ledger = ledger.ledger_client();
    let info = ledger
        .get_service_info(GetServiceInfoRequest::default())
        .await;
    let info = info.expect("info").into_inner();
    assert_eq!(info.chain.as_deref(), Some("testnet"));
    assert_eq!(info.chain_id, Some(Network::Testnet.chain_id()));
    assert_eq!(info.checkpoint_height, Some(1005));
    assert_eq!(info.lowest_available_checkpoint, Some(1000));
    assert!(info.timestamp.expect("time").seconds > 1_700_000_000);
    node.stop().await;
}

#[tokio::test]
async fn an_object_is_sent_as_the_mask_asks() {
    let node = quiet().await;
    let object = Object::new(
        "0x7e",
        "0xa11::todo_nft::TodoNFT",
        json!({"title": "Buy milk"}),
    );
    let version = node.put_object(object.owner(Owner::Address("0xbee".to_owned())));
    assert_eq!(version.expect("stored"), 1);
    let client = client(&node);
    let request = GetObjectRequest::default().with_object_id("0x7e");
    let answer = client
        .clone()
        .ledger_client()
        .get_object(request.clone())
        .await;
    let object = answer.expect("found").into_inner().object.expect("object");
    assert_eq!(object.object_id, Some(format!("0x{:064x}", 0x7e)));
    assert_eq!(object.version, Some(1));
    assert!(object.digest.is_some() && object.json.is_none() && object.owner.is_none());
    let request = request.with_read_mask(mask(&["json", "owner", "object_type"]));
    let answer = client.clone().ledger_client().get_object(request).await;
    let object = answer.expect("found").into_inner().object.expect("object");
    assert_eq!(
        text(object.json.as_deref().expect("json"), "title"),
        "Buy milk"
    );
    assert_eq!(
        object.object_type,
        Some(format!("0x{:064x}::todo_nft::TodoNFT", 0xa11))
    );
    assert_eq!(
        object.owner.expect("owner").address,
        Some(format!("0x{:064x}", 0xbee))
    );
    assert_eq!(object.version, None);
    node.stop().await;
}

#[tokio::test]
async fn a_batch_answers_each_object_by_itself() {
    let node = quiet().await;
    node.put_object(Object::new("0x1", "0xa11::todo_nft::TodoNFT", json!({})))
        .expect("stored");
    let ask = |id: &str| GetObjectRequest::default().with_object_id(id);
    let request = BatchGetObjectsRequest::default().with_requests(vec![ask("0x1"), ask("0x2")]);
    let answer = client(&node)
        .ledger_client()
        .batch_get_objects(request)
        .await;
    let objects = answer.expect("an answer").into_inner().objects;
    assert!(matches!(
        objects[0].result,
        Some(get_object_result::Result::Object(_))
    ));
    match &objects[1].result {
        Some(get_object_result::Result::Error(status)) => {
            assert_eq!(status.code, i32::from(tonic::Code::NotFound));
            assert_eq!(status.message, format!("Object 0x{:064x} not found", 2));
        }
        other => panic!("{other:?}"),
    }
    node.stop().await;
}

#[tokio::test]
async fn events_are_listed() {
    let node = quiet().await;
    for id in 1..=10 {
        node.emit([created(id)]).expect("emitted");
    }
    let request = ListEventsRequest::default()
        .with_read_mask(positions())
        .with_filter(created_filter());
    let all = listed(&client(&node), request.clone())
        .await
        .expect("a list");
    assert_eq!(all, titles(1..=10));
    let some = request.with_start_checkpoint(3).with_end_checkpoint(6);
    let some = listed(&client(&node), some).await.expect("a list");
    assert_eq!(some, titles(3..6));
    node.stop().await;
}

#[tokio::test]
async fn a_stream_begins_at_the_tip_at_a_checkpoint_or_at_a_cursor() {
    let node = quiet().await;
    for id in 1..=5 {
        node.emit([created(id)]).expect("emitted");
    }
    let request = EventStreamRequest::new()
        .with_read_mask(positions())
        .with_filter(created_filter());
    let client = client(&node);
    let mut at_tip = Box::pin(client.stream_events(request.clone()));
    let first = within(at_tip.next())
        .await
        .expect("no end")
        .expect("a frame");
    assert_eq!(
        (first.event.is_none(), first.covered_checkpoint),
        (true, Some(5))
    );
    let start = EventStreamStart::Checkpoint(3);
    let mut from_3 = Box::pin(client.stream_events(request.clone().with_start(start)));
    let found = next(&mut from_3, 3).await;
    assert_eq!(names(&found), titles(3..=5));
    let start = EventStreamStart::Resume(found[0].1.clone());
    let mut resumed = Box::pin(client.stream_events(request.with_start(start)));
    assert_eq!(names(&next(&mut resumed, 2).await), titles(4..=5));
    // Each has caught up, and goes on with what comes.
    node.emit([created(6), created(7).same_transaction()])
        .expect("emitted");
    for stream in [
        &mut at_tip as &mut (dyn Stream<Item = _> + Unpin),
        &mut from_3,
        &mut resumed,
    ] {
        let mut stream = stream;
        assert_eq!(names(&next(&mut stream, 2).await), titles(6..=7));
    }
    node.stop().await;
}
