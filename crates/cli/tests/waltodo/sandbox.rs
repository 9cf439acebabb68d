//! `longhaul sandbox` with a Sui full node, from the built program, as the real client sees it.

use std::{
    fs,
    io::{BufRead as _, BufReader},
    process::{Child, Stdio},
};

use futures_util::StreamExt as _;
use sui_rpc::{
    Client,
    client::{EventStreamRequest, EventStreamStart},
    field::{FieldMask, FieldMaskUtil as _},
    proto::sui::rpc::v2::{GetObjectRequest, GetServiceInfoRequest},
};

use crate::support::{Lab, PATIENCE, done};

#[test]
fn the_sandbox_serves_objects_and_events_of_a_file() {
    let lab = Lab::new();
    let file = lab.path("sui.json");
    let text = r#"{"network": "testnet", "firstCheckpoint": 1000,
        "objects": [{"id": "0x7e", "type": "0xa11::todo_nft::TodoNFT", "json": {"title": "Buy milk"}}],
        "events": [{"type": "0xa11::todo_nft::TodoNFTCreated", "json": {"todo_id": "0x7e"}}]}"#;
    fs::write(&file, text).expect("written");
    let blobs = lab.path("blobs");
    let args = [
        "--json",
        "sandbox",
        "--blobs",
        blobs.to_str().expect("text"),
        "--sui-port",
        "0",
        "--sui-objects",
        file.to_str().expect("text"),
        "--sui-events-per-second",
        "1000",
    ];
    let mut command = lab.program(env!("CARGO_BIN_EXE_longhaul"), &args);
    command.stdout(Stdio::piped()).stderr(Stdio::null());
    let mut running = Running(command.spawn().expect("it starts"));
    let mut line = String::new();
    let mut lines = BufReader::new(running.0.stdout.take().expect("a pipe"));
    lines.read_line(&mut line).expect("a line");
    let addresses: serde_json::Value = serde_json::from_str(&line).expect("JSON");
    let url = addresses["suiUrl"].as_str().expect("an address").to_owned();
    let runtime = tokio::runtime::Builder::new_current_thread()
        .enable_all()
        .build()
        .expect("a runtime");
    let seen = runtime.block_on(ask(url));
    assert_eq!(seen.chain.as_deref(), Some("testnet"));
    assert_eq!(seen.lowest, Some(1000));
    assert_eq!(seen.events, 200);
    assert!(seen.has_object);
}

#[test]
fn a_file_the_sandbox_can_not_read_is_named() {
    let lab = Lab::new();
    let file = lab.path("sui.json");
    fs::write(
        &file,
        r#"{"objects": [{"id": "0xno", "type": "0x1::a::B", "json": {}}]}"#,
    )
    .expect("written");
    let blobs = lab.path("blobs");
    let (blobs, file) = (blobs.to_str().expect("text"), file.to_str().expect("text"));
    let sandbox = |args: &[&str]| {
        let all = [&["sandbox", "--blobs", blobs], args].concat();
        done(&mut lab.program(env!("CARGO_BIN_EXE_longhaul"), &all))
            .code(2)
            .stderr
    };
    let wrong = sandbox(&["--sui-port", "0", "--sui-objects", file]);
    assert!(wrong.contains("\"0xno\" is no Sui object ID"), "{wrong}");
    let missing = sandbox(&["--sui-port", "0", "--sui-objects", "no-such-file"]);
    assert!(missing.contains("no-such-file"), "{missing}");
    let alone = sandbox(&["--sui-objects", file]);
    assert!(alone.contains("--sui-port"), "{alone}");
    let moon = sandbox(&["--sui-port", "0", "--sui-network", "moonnet"]);
    assert!(
        moon.contains("mainnet, testnet, devnet and local"),
        "{moon}"
    );
}

/// A program that is killed at the end of the test, also of one that fails.
struct Running(Child);

impl Drop for Running {
    fn drop(&mut self) {
        let _ = self.0.kill();
        let _ = self.0.wait();
    }
}

/// What a client sees of a node.
struct Seen {
    chain: Option<String>,
    lowest: Option<u64>,
    events: usize,
    has_object: bool,
}

async fn ask(url: String) -> Seen {
    let mut client = Client::new(url).expect("a client");
    let info = client
        .ledger_client()
        .get_service_info(GetServiceInfoRequest::default())
        .await;
    let info = info.expect("an answer").into_inner();
    let wanted = GetObjectRequest::default().with_object_id("0x7e");
    let has_object = client.ledger_client().get_object(wanted).await.is_ok();
    let mask = FieldMask::from_paths(["checkpoint", "transaction_index", "event_index"]);
    let start = EventStreamStart::Checkpoint(1000);
    let request = EventStreamRequest::new()
        .with_read_mask(mask)
        .with_start(start);
    let mut stream = Box::pin(client.stream_events(request));
    let mut events = 0;
    while events < 200 {
        let frame = tokio::time::timeout(PATIENCE, stream.next())
            .await
            .expect("in time");
        events += usize::from(frame.expect("no end").expect("a frame").event.is_some());
    }
    Seen {
        chain: info.chain,
        lowest: info.lowest_available_checkpoint,
        events,
        has_object,
    }
}
