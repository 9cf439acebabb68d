//! The client of a Sui node against its stand-in.

use std::time::Duration;

use futures_util::{Stream, StreamExt as _};
use longhaul_sandbox::sui::{
    Event as Emitted, Fault, Network as Chain, Node as Sandbox, Object, Options, Rule,
};
use longhaul_walrus::{
    networks::Network,
    sui::{Error, Event, Following, Frame, Happening, Node, ObjectId, Start},
};
use serde_json::json;

use crate::rig::{PACKAGE, PATIENCE, created};

async fn sandbox() -> Sandbox {
    let options = Options::new().network(Chain::Testnet).quiet();
    options.start().await.expect("started")
}

fn client(sandbox: &Sandbox) -> Node {
    Node::new(&sandbox.url()).expect("an address")
}

fn id(text: &str) -> ObjectId {
    text.parse().expect("an ID")
}

/// Frames up to the one with the `count`th event.
async fn events(
    frames: impl Stream<Item = Result<Frame, Error>>,
    count: usize,
) -> Vec<(Event, Frame)> {
    let mut frames = Box::pin(frames);
    let mut events = Vec::new();
    while events.len() < count {
        let next = tokio::time::timeout(PATIENCE, frames.next()).await;
        let frame = next.expect("in time").expect("no end").expect("a frame");
        if let Some(event) = &frame.event {
            events.push((event.clone().expect("an event"), frame));
        }
    }
    events
}

#[tokio::test]
async fn a_node_says_of_which_network_it_is() {
    let sandbox = sandbox().await;
    sandbox.advance(41);
    let node = client(&sandbox);
    let service = node.service().await.expect("told");
    assert_eq!(
        (service.chain.as_str(), service.tip),
        ("testnet", sandbox.tip())
    );
    assert_eq!(service.lowest, sandbox.lowest_available_checkpoint());
    assert_eq!(node.service_of(Some(Network::Testnet)).await, Ok(service));
    for wrong in [Network::Mainnet, Network::Devnet] {
        let error = node.service_of(Some(wrong)).await.expect_err("wrong");
        assert!(!error.may_pass(), "{error}");
        let text = error.to_string();
        assert!(
            text.contains("of the network 'testnet'") && text.contains("SUI_RPC_URL"),
            "{text}"
        );
    }
}

#[tokio::test]
async fn objects_are_read_by_short_and_long_ids() {
    let sandbox = sandbox().await;
    let blob = "3GPQL3HZNnFhN_F7l5Aa-X1VOtAKwIsg9zuWk8R81v4";
    let json = json!({
        "id": "0x7e", "title": "Buy milk", "image_url": format!("https://x/v1/blobs/{blob}"), "completed": false,
    });
    let kind = format!("{PACKAGE}::todo_nft::TodoNFT");
    sandbox
        .put_object(Object::new("0x7e", kind, json))
        .expect("stored");
    let node = client(&sandbox);
    for text in ["0x7e", "0x007E", &id("0x7e").to_string()] {
        let object = node.object(id(text)).await.expect("read");
        assert_eq!(object.title(), Some("Buy milk"));
        assert!(
            object.kind().ends_with("::todo_nft::TodoNFT"),
            "{}",
            object.kind()
        );
        assert_eq!(object.blob().expect("a blob").to_string(), blob);
    }
    let missing = node.object(id("0x7f")).await;
    assert_eq!(missing, Err(Error::NotFound(id("0x7f"))));
    sandbox.delete_object("0x7e").expect("an ID");
    assert_eq!(
        node.object(id("0x7e")).await,
        Err(Error::NotFound(id("0x7e")))
    );
}

#[tokio::test]
async fn a_node_that_is_not_there_is_said_and_may_come() {
    let gone = sandbox().await;
    let node = client(&gone);
    let url = gone.url();
    gone.stop().await;
    let error = node.object(id("0x7")).await.expect_err("nobody there");
    assert!(error.may_pass(), "{error:?}");
    let text = error.to_string();
    assert!(
        text.contains(&url) && text.contains("could not be reached"),
        "{text}"
    );
}

#[tokio::test]
async fn a_node_that_falls_silent_is_not_waited_for() {
    let sandbox = sandbox().await;
    let kind = format!("{PACKAGE}::todo_nft::TodoNFT");
    sandbox
        .put_object(Object::new("0x7", kind, json!({"title": "Buy milk"})))
        .expect("stored");
    let first = sandbox
        .emit([created("0x1"), created("0x2")])
        .expect("emitted");
    sandbox
        .faults()
        .add(Rule::new(Fault::Stall { after: 0 }).times(1));
    let node = client(&sandbox).patience(Duration::from_millis(300), Duration::from_millis(300));
    let asked = tokio::time::timeout(PATIENCE, node.object(id("0x7"))).await;
    let error = asked.expect("an end").expect_err("no answer");
    assert!(error.may_pass(), "{error:?}");
    node.object(id("0x7")).await.expect("answered again");
    // Of a stream the rest is asked for anew: nothing is lost, nothing comes twice.
    sandbox
        .faults()
        .add(Rule::new(Fault::Stall { after: 1 }).times(1));
    let start = Start::Checkpoint(first);
    let seen = events(
        node.follow(id(PACKAGE), start, Following::Subscription, |_| {}),
        2,
    );
    let objects: Vec<_> = seen.await.iter().map(|(event, _)| event.object).collect();
    assert_eq!(objects, [id("0x1"), id("0x2")]);
}

#[tokio::test]
async fn a_message_beyond_all_bounds_is_not_taken() {
    let sandbox = sandbox().await;
    let kind = format!("{PACKAGE}::todo_nft::TodoNFT");
    sandbox
        .put_object(Object::new("0x7", kind, json!({"title": "Buy milk"})))
        .expect("stored");
    sandbox
        .faults()
        .add(Rule::new(Fault::Oversized { bytes: 16 << 20 }).times(1));
    let node = client(&sandbox);
    let error = node.object(id("0x7")).await.expect_err("too large");
    assert!(
        matches!(error, Error::TooLarge { .. }) && !error.may_pass(),
        "{error:?}"
    );
    node.object(id("0x7")).await.expect("the node serves on");
}

#[tokio::test]
async fn the_events_of_a_package_are_followed_and_gone_on_with() {
    let sandbox = sandbox().await;
    let node = client(&sandbox);
    let changed = Emitted::new(
        format!("{PACKAGE}::todo_nft::TodoNFTUpdated"),
        json!({"todo_id": "0x1", "owner": "0x1", "timestamp": "8"}),
    );
    let foreign = Emitted::new("0xbad::todo_nft::TodoNFTCreated", json!({"todo_id": "0x9"}));
    let first = sandbox
        .emit([created("0x1"), changed, foreign])
        .expect("emitted");
    sandbox.emit([created("0x2")]).expect("emitted");
    let follow = |start| node.follow(id(PACKAGE), start, Following::Subscription, |_| {});
    let seen = events(follow(Start::Checkpoint(first)), 3).await;
    let what: Vec<_> = seen
        .iter()
        .map(|(event, _)| (event.happening, event.object))
        .collect();
    assert_eq!(
        what,
        [
            (Happening::NftCreated, id("0x1")),
            (Happening::NftUpdated, id("0x1")),
            (Happening::NftCreated, id("0x2")),
        ]
    );
    assert_eq!(seen[0].0.title.as_deref(), Some("Buy milk"));
    assert!(seen.is_sorted_by_key(|(event, _)| event.place));
    let rest = events(follow(Start::After(seen[0].1.cursor.clone())), 2).await;
    assert_eq!(rest[0].0, seen[1].0);
    assert_eq!(rest[1].0, seen[2].0);
}

#[tokio::test]
async fn a_range_ends_where_it_was_told_to() {
    let sandbox = sandbox().await;
    let node = client(&sandbox);
    let first = sandbox.emit([created("0x1")]).expect("emitted");
    let second = sandbox.emit([created("0x2")]).expect("emitted");
    sandbox.emit([created("0x3")]).expect("emitted");
    let range = |after| node.range(id(PACKAGE), (first, second), after, |_| {});
    let frames: Vec<_> = range(None)
        .map(|frame| frame.expect("a frame"))
        .collect()
        .await;
    let objects = |frames: &[Frame]| -> Vec<ObjectId> {
        let events = frames.iter().filter_map(|frame| frame.event.clone());
        events
            .map(|event| event.expect("an event").object)
            .collect()
    };
    assert_eq!(objects(&frames), [id("0x1"), id("0x2")]);
    assert_eq!(frames.last().expect("one").covered, Some(second));
    let one = frames
        .iter()
        .find(|frame| frame.event.is_some())
        .expect("one");
    let rest: Vec<_> = range(Some(one.cursor.clone()))
        .map(|frame| frame.expect("a frame"))
        .collect()
        .await;
    assert_eq!(objects(&rest), [id("0x2")]);
}
