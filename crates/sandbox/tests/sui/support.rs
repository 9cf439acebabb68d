//! What the tests share.

use std::{future::Future, num::NonZeroUsize, time::Duration};

use bytes::Bytes;
use futures_util::{Stream, StreamExt as _};
use longhaul_sandbox::sui::{Event, Node, Options};
use prost_types::{Value, value::Kind};
use serde_json::json;
use sui_rpc::{
    Client,
    client::{EventStreamFrame, EventStreamRequest, LedgerStreamConfig, ListConfig},
    field::{FieldMask, FieldMaskUtil as _},
    proto::sui::rpc::v2::{
        self as proto, EventFilter, GetObjectRequest, ListEventsRequest, ListEventsResponse,
        filter::event,
    },
};
use tonic::Status;

pub(crate) const CREATED: &str = "0xa11::todo_nft::TodoNFTCreated";
pub(crate) const NFT: &str = "0xa11::todo_nft::TodoNFT";
/// How long something that must happen may take on a busy machine.
pub(crate) const DEADLINE: Duration = Duration::from_secs(30);

pub(crate) async fn quiet() -> Node {
    start(Options::new().quiet()).await
}

pub(crate) async fn start(options: Options) -> Node {
    options.start().await.expect("a node")
}

pub(crate) fn client(node: &Node) -> Client {
    Client::new(node.url()).expect("a client")
}

pub(crate) async fn within<T>(future: impl Future<Output = T>) -> T {
    let result = tokio::time::timeout(DEADLINE, future).await;
    result.expect("in time")
}

/// Waits until this holds.
pub(crate) async fn until(what: &str, holds: impl Fn() -> bool) {
    let polled = async {
        while !holds() {
            tokio::time::sleep(Duration::from_millis(2)).await;
        }
    };
    let result = tokio::time::timeout(DEADLINE, polled).await;
    result.unwrap_or_else(|_| panic!("never {what}"));
}

pub(crate) fn created(id: u64) -> Event {
    let json = json!({"todo_id": format!("0x{id:064x}"), "title": format!("Todo {id}")});
    Event::new(CREATED, json)
}

/// Emits so many events, a checkpoint each.
pub(crate) fn emit(node: &Node, ids: impl IntoIterator<Item = u64>) {
    for id in ids {
        node.emit([created(id)]).expect("emitted");
    }
}

pub(crate) fn titles(ids: impl IntoIterator<Item = u64>) -> Vec<String> {
    ids.into_iter().map(|id| format!("Todo {id}")).collect()
}

pub(crate) fn mask(paths: &[&str]) -> FieldMask {
    FieldMask::from_paths(paths)
}

pub(crate) fn events_mask() -> FieldMask {
    mask(&[
        "checkpoint",
        "transaction_index",
        "event_index",
        "event_type",
        "json",
    ])
}

pub(crate) fn filter() -> EventFilter {
    EventFilter::matching(event::event_type(CREATED))
}

pub(crate) fn list() -> ListEventsRequest {
    ListEventsRequest::default()
        .with_read_mask(events_mask())
        .with_filter(filter())
}

/// All frames of a list that the client pages through.
pub(crate) async fn frames(
    client: &Client,
    request: ListEventsRequest,
) -> Result<Vec<ListEventsResponse>, Status> {
    let mut config = ListConfig::default();
    config.base_retry_delay = Duration::from_millis(1);
    config.retry_jitter = Duration::ZERO;
    let mut frames = Vec::new();
    let mut stream = Box::pin(client.list_events_with_config(request, config));
    while let Some(frame) = within(stream.next()).await {
        frames.push(frame?);
    }
    Ok(frames)
}

/// The frames of one call.
pub(crate) async fn page(client: &Client, request: ListEventsRequest) -> Vec<ListEventsResponse> {
    let answer = client.clone().ledger_client().list_events(request).await;
    let mut stream = answer.expect("a list").into_inner();
    let mut frames = Vec::new();
    while let Some(frame) = within(stream.message()).await.expect("a frame") {
        frames.push(frame);
    }
    frames
}

/// Why a list was refused.
pub(crate) async fn refused(client: &Client, request: ListEventsRequest) -> Status {
    frames(client, request).await.expect_err("refused")
}

pub(crate) fn names(frames: &[ListEventsResponse]) -> Vec<String> {
    let events = frames.iter().filter_map(|frame| frame.event.as_ref());
    events.map(title).collect()
}

pub(crate) fn title(event: &proto::Event) -> String {
    text(event.json.as_deref(), "title")
}

/// The text in a field of contents.
pub(crate) fn text(contents: Option<&Value>, field: &str) -> String {
    let Some(Kind::StructValue(fields)) = contents.and_then(|value| value.kind.as_ref()) else {
        panic!("no fields in {contents:?}");
    };
    match &fields.fields[field].kind {
        Some(Kind::StringValue(text)) => text.clone(),
        other => panic!("{field} is {other:?}"),
    }
}

pub(crate) fn stream_request() -> EventStreamRequest {
    EventStreamRequest::new()
        .with_read_mask(events_mask())
        .with_filter(filter())
}

pub(crate) type Events =
    std::pin::Pin<Box<dyn Stream<Item = Result<EventStreamFrame, Status>> + Send>>;

/// A stream that retries at once.
pub(crate) fn stream(client: &Client, request: EventStreamRequest) -> Events {
    let mut config = LedgerStreamConfig::default();
    config.base_retry_delay = Duration::from_millis(1);
    config.max_retry_delay = Duration::from_millis(10);
    config.retry_jitter = Duration::ZERO;
    config.ledger_tip_poll_interval = Duration::from_millis(5);
    config.max_buffered_live_items = NonZeroUsize::new(10_000).expect("not zero");
    Box::pin(client.stream_events_with_config(request, config))
}

/// The next so many events of a stream: their titles, and the cursor of the last.
pub(crate) async fn next(stream: &mut Events, events: usize) -> (Vec<String>, Bytes) {
    let mut found = Vec::new();
    let mut cursor = Bytes::new();
    within(async {
        while found.len() < events {
            let frame = stream.next().await.expect("no end").expect("a frame");
            if let Some(event) = &frame.event {
                found.push(title(event));
                cursor = frame.cursor.clone();
            }
        }
    })
    .await;
    (found, cursor)
}

/// A stream that has begun at the tip.
pub(crate) async fn at_tip(client: &Client) -> Events {
    let mut stream = stream(client, stream_request());
    let first = within(stream.next())
        .await
        .expect("no end")
        .expect("a frame");
    assert!(first.event.is_none());
    stream
}

/// An object with its contents.
pub(crate) async fn object(client: &Client, id: &str) -> Result<proto::Object, Status> {
    let request = GetObjectRequest::default()
        .with_object_id(id)
        .with_read_mask(mask(&["*"]));
    let answer = within(client.clone().ledger_client().get_object(request)).await?;
    Ok(answer.into_inner().object.expect("an object"))
}
