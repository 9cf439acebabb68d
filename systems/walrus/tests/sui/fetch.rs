//! The job `walrus.fetch` on a real engine and file, against the stand-ins of a node and an aggregator.

use std::fs;

use longhaul::types::State;
use longhaul_sandbox::{
    aggregator::{Fault, Rule},
    sui::{Object, Options},
};
use longhaul_walrus::{blob_id::BlobId, networks::Network, retrieve::Retrieved};
use serde_json::{Value, json};

use crate::rig::{Rig, until};

#[tokio::test(flavor = "multi_thread")]
async fn the_blob_of_an_object_is_fetched_and_joins_a_list() {
    let rig = Rig::new().await;
    let blob = rig.todo("Buy milk");
    rig.object(
        "0x123abc",
        json!({"title": "Buy milk", "image_url": format!("https://x/v1/blobs/{blob}")}),
    );
    let mut args = rig.fetch("0x123abc");
    args.network = Some(Network::Testnet);
    args.delivery.join = Some("archive".to_owned());
    let job = rig.engine.submit(args).await.expect("submitted");
    let ended = job.wait().await.expect("ended");
    assert_eq!(ended.state(), State::Completed, "{:?}", ended.error());
    let fetched: Retrieved = ended.output().expect("a summary");
    assert_eq!((fetched.items, fetched.failed), (1, 0));
    assert!(rig.path("out").join(blob.to_string()).is_file());
    let log = rig.log(&job).await;
    assert_eq!(log[0], "Starting fetch operation");
    assert!(
        log[1].ends_with(&format!("names the blob {blob}")),
        "{log:?}"
    );
    let list = fs::read_to_string(rig.path("lists").join("archive.json")).expect("made");
    let list: Value = serde_json::from_str(&list).expect("json");
    let todo = &list["todos"][0];
    assert_eq!(todo["title"], "Buy milk");
    assert_eq!(todo["walrusBlobId"], blob.to_string());
    assert!(
        todo["nftObjectId"]
            .as_str()
            .expect("text")
            .ends_with("00123abc"),
        "{todo}"
    );
}

#[tokio::test(flavor = "multi_thread")]
async fn an_objects_picture_joins_a_list_under_the_objects_title() {
    let rig = Rig::new().await;
    let blob = rig.blob(b"\x89PNG no todo");
    rig.object(
        "0x7",
        json!({"title": "Walk the dog", "walrus_blob_id": blob.to_string()}),
    );
    let mut args = rig.fetch("0x7");
    args.delivery.join = Some("pictures".to_owned());
    let job = rig.engine.submit(args).await.expect("submitted");
    let ended = job.wait().await.expect("ended");
    assert_eq!(ended.state(), State::Completed, "{:?}", ended.error());
    let list = fs::read_to_string(rig.path("lists").join("pictures.json")).expect("made");
    let list: Value = serde_json::from_str(&list).expect("json");
    assert_eq!(list["todos"][0]["title"], "Walk the dog");
    assert_eq!(list["todos"][0]["walrusBlobId"], blob.to_string());
}

#[tokio::test(flavor = "multi_thread")]
async fn a_blob_id_is_fetched_without_a_node() {
    let rig = Rig::new().await;
    let blob = rig.todo("Buy milk");
    let mut args = rig.fetch(&blob.to_string());
    args.node = "http://127.0.0.1:1".to_owned();
    let job = rig.engine.submit(args).await.expect("submitted");
    assert_eq!(job.wait().await.expect("ended").state(), State::Completed);
    assert!(rig.path("out").join(blob.to_string()).is_file());
    let text = rig.failure(rig.fetch("QmXyz789")).await.message;
    assert_eq!(text, "Todo not found with blob ID 'QmXyz789'");
}

#[tokio::test(flavor = "multi_thread")]
async fn what_is_wrong_with_an_object_is_said() {
    let rig = Rig::new().await;
    rig.object("0x1", json!({"title": "no blob"}));
    rig.object("0x2", json!({"image_url": "https://example.com/cat.png"}));
    rig.object(
        "0x3",
        json!({"walrus_blob_id": BlobId::from_bytes([7; 32]).to_string()}),
    );
    let coin = Object::new(
        "0x4",
        "0x2::coin::Coin<0x2::sui::SUI>",
        json!({"balance": "7"}),
    );
    rig.node.put_object(coin).expect("stored");
    for (source, code, text) in [
        ("0x789ghi", "bad_object_id", "is no Sui object ID"),
        ("0x99", "object_not_found", "there is no object 0x"),
        ("0x1", "no_blob", "todo_nft::TodoNFT names no blob"),
        (
            "0x2",
            "no_blob",
            "image_url is 'https://example.com/cat.png'",
        ),
        ("0x3", "blob_not_found", "Todo not found with blob ID"),
        ("0x4", "no_blob", "neither walrus_blob_id nor image_url"),
    ] {
        let error = rig.failure(rig.fetch(source)).await;
        assert_eq!(error.code, code, "{source}: {error}");
        assert!(error.message.contains(text), "{source}: {error}");
    }
    let mut elsewhere = rig.fetch("0x1");
    elsewhere.network = Some(Network::Mainnet);
    let error = rig.failure(elsewhere).await;
    assert_eq!(error.code, "wrong_network", "{error}");
    assert!(!rig.path("out").exists());
}

#[tokio::test(flavor = "multi_thread")]
async fn a_blob_that_does_not_match_is_not_delivered() {
    let rig = Rig::new().await;
    let blob = rig.blob(&[5; 10_000]);
    rig.object("0x5", json!({"walrus_blob_id": blob.to_string()}));
    rig.sandbox
        .faults()
        .add(Rule::new(Fault::WrongBytes { at: 4711 }));
    let error = rig.failure(rig.fetch("0x5")).await;
    assert_eq!(error.code, "wrong_bytes", "{error}");
    assert!(!rig.path("out").exists());
}

#[tokio::test(flavor = "multi_thread")]
async fn a_node_that_is_not_there_is_tried_as_often_as_was_asked() {
    let rig = Rig::new().await;
    let mut args = rig.fetch("0x5");
    args.node = "http://127.0.0.1:1".to_owned();
    args.delivery.attempts = 3;
    let job = rig.engine.submit(args).await.expect("submitted");
    let ended = job.wait().await.expect("ended");
    let error = ended.error().expect("failed");
    assert_eq!(error.code, "node_unreachable");
    assert!(
        error
            .message
            .contains("http://127.0.0.1:1 could not be reached"),
        "{error}"
    );
    let log = rig.log(&job).await;
    let retries: Vec<_> = log
        .iter()
        .filter(|line| line.starts_with("Retrying connection"))
        .collect();
    assert_eq!(retries.len(), 2, "{log:?}");
    assert!(
        retries[1].starts_with("Retrying connection (attempt 3/3)... "),
        "{log:?}"
    );
}

#[tokio::test(flavor = "multi_thread")]
async fn a_node_that_is_behind_the_event_is_waited_for() {
    let rig = Rig::with(Options::new().quiet()).await;
    let (old, new) = (rig.todo("Buy milk"), rig.todo("Buy oat milk"));
    rig.object("0x6", json!({"walrus_blob_id": old.to_string()}));
    let mut args = rig.fetch("0x6");
    args.delivery.attempts = 1;
    // The node has not seen the checkpoint yet in which the object was changed.
    args.seen = Some(rig.node.tip() + 1);
    let job = rig.engine.submit(args).await.expect("submitted");
    let said = async || {
        let log = rig.log(&job).await;
        log.iter()
            .any(|line| line.contains("is behind: it is at checkpoint"))
    };
    until("it says that it waits", said).await;
    rig.object("0x6", json!({"walrus_blob_id": new.to_string()}));
    rig.node.advance(1);
    let ended = job.wait().await.expect("ended");
    assert_eq!(ended.state(), State::Completed, "{:?}", ended.error());
    assert!(rig.path("out").join(new.to_string()).is_file());
    assert!(!rig.path("out").join(old.to_string()).exists());
}
