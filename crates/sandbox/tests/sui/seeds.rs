//! Ledgers from files, and the module `todo_nft`.

use std::{io::Write as _, num::NonZeroU32};

use longhaul_sandbox::sui::{Error, Network, Options, Seed, todo_nft};
use prost_types::value::Kind;
use serde_json::json;
use sui_rpc::proto::sui::rpc::v2::{EventFilter, filter::event};
use tonic::Code;

use crate::support::{client, frames, list, names, object, quiet, start, text, within};

fn file(text: &str) -> tempfile::NamedTempFile {
    let mut file = tempfile::NamedTempFile::new().expect("a file");
    file.write_all(text.as_bytes()).expect("written");
    file
}

#[tokio::test]
async fn a_ledger_begins_as_its_file_says() {
    let text_of = json!({
        "network": "testnet",
        "firstCheckpoint": 1_000_000,
        "objects": [{"id": "0x7e", "type": "0xa11::todo_nft::TodoNFT", "json": {"title": "Buy milk"},
            "owner": {"address": "0xbee"}, "version": 3}],
        "events": [
            {"type": "0xa11::todo_nft::TodoNFTCreated", "json": {"title": "One"}},
            {"type": "0xa11::todo_nft::TodoNFTCreated", "json": {"title": "Two"}, "same_transaction": true},
            {"type": "0xa11::todo_nft::TodoNFTCreated", "json": {"title": "Three"}, "sender": "0xbee"},
        ],
    });
    let file = file(&text_of.to_string());
    let seed = Seed::read(file.path()).expect("a seed");
    let node = start(Options::new().quiet().seeded(&seed)).await;
    node.load(seed).expect("loaded");
    assert_eq!(node.network(), Network::Testnet);
    assert_eq!(
        (node.lowest_available_checkpoint(), node.tip()),
        (1_000_000, 1_000_002)
    );
    let client = client(&node);
    let found = object(&client, "0x7e").await.expect("found");
    assert_eq!(
        (text(found.json.as_deref(), "title"), found.version),
        ("Buy milk".to_owned(), Some(3))
    );
    let all = frames(&client, list()).await.expect("a list");
    assert_eq!(names(&all), ["One", "Two", "Three"]);
    node.stop().await;
}

#[tokio::test]
async fn a_file_that_is_wrong_is_refused() {
    let missing = Seed::read("no such file".as_ref()).expect_err("missing");
    assert!(missing.to_string().contains("no such file"), "{missing}");
    for bad in [
        "",
        "[]",
        r#"{"object": []}"#,
        r#"{"objects": [{"id": "0x1"}]}"#,
    ] {
        let error = Seed::read(file(bad).path()).expect_err("refused");
        assert!(matches!(error, Error::Seed { .. }), "{bad}");
    }
    let node = quiet().await;
    let seed = Seed::read(file(r#"{"events": [{"type": "Created", "json": {}}]}"#).path());
    assert!(matches!(
        node.load(seed.expect("a seed")),
        Err(Error::Type { .. })
    ));
    assert_eq!(node.tip(), 0);
    node.stop().await;
}

#[tokio::test]
async fn todos_have_the_fields_of_the_module() {
    let node = quiet().await;
    let package = todo_nft::PACKAGE;
    let todo = todo_nft::TodoNft {
        title: "Buy milk".to_owned(),
        image_url: "3GPQL3HZNnFhN_F7l5Aa-X1VOtAKwIsg9zuWk8R81v4".to_owned(),
        created_at: 1_703_123_456_000,
        owner: "0xbee".to_owned(),
        ..todo_nft::TodoNft::default()
    };
    node.put_object(todo.object(package, "0x7e"))
        .expect("stored");
    node.emit([
        todo_nft::created(package, "0x7e", "Buy milk", "0xbee", 1),
        todo_nft::updated(package, "0x7e", "0xbee", 2),
        todo_nft::completed(package, "0x7e", "0xbee", 3),
        todo_nft::transferred(package, "0x7e", "0xbee", "0xcab", 4),
    ])
    .expect("emitted");
    let client = client(&node);
    let found = object(&client, "0x7e").await.expect("found");
    let contents = found.json.as_deref();
    assert_eq!(text(contents, "image_url"), todo.image_url);
    assert_eq!(text(contents, "created_at"), "1703123456000");
    let Some(Kind::StructValue(fields)) = contents.and_then(|value| value.kind.as_ref()) else {
        panic!("{contents:?}");
    };
    assert_eq!(
        fields.fields["completed"].kind,
        Some(Kind::BoolValue(false))
    );
    assert_eq!(fields.fields["completed_at"].kind, Some(Kind::NullValue(0)));
    let all = list().with_filter(EventFilter::matching(event::event_type(format!(
        "{package}::todo_nft"
    ))));
    let all = frames(&client, all).await.expect("a list");
    let events: Vec<_> = all
        .iter()
        .filter_map(|frame| frame.event.as_ref())
        .collect();
    let names = ["Created", "Updated", "Completed", "Transferred"];
    for (event, name) in events.iter().zip(names) {
        assert_eq!(
            event.event_type,
            Some(format!("{package}::todo_nft::TodoNFT{name}"))
        );
        assert_eq!(text(event.json.as_deref(), "todo_id"), "0x7e");
    }
    assert_eq!(text(events[3].json.as_deref(), "to"), "0xcab");
    assert_eq!(text(events[0].json.as_deref(), "timestamp"), "1");
    node.stop().await;
}

#[tokio::test]
async fn events_come_at_a_rate() {
    let node = quiet().await;
    let package = todo_nft::PACKAGE;
    let rate = NonZeroU32::new(1000).expect("not zero");
    assert!(
        node.emit_continually(rate, |_| longhaul_sandbox::sui::Event::new("", json!({})))
            .is_err()
    );
    node.emit_continually(rate, move |number| todo_nft::nth_created(package, number))
        .expect("started");
    let filter = EventFilter::matching(event::event_type(package));
    let request = crate::support::stream_request().with_filter(filter);
    let from = request.with_start(sui_rpc::client::EventStreamStart::Checkpoint(0));
    let mut stream = crate::support::stream(&client(&node), from);
    let (found, _) = crate::support::next(&mut stream, 500).await;
    assert_eq!(found, crate::support::titles(0..500));
    let missing = object(&client(&node), "0x1")
        .await
        .expect_err("events alone");
    assert_eq!(missing.code(), Code::NotFound);
    within(node.stop()).await;
}
