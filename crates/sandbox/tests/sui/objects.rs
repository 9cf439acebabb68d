//! What the node is, its objects and its checkpoints.

use longhaul_sandbox::sui::{Call, Error, Network, Object, Options, Owner};
use serde_json::json;
use sui_rpc::{
    client::ResponseExt as _,
    proto::sui::rpc::v2::{
        BatchGetObjectsRequest, GetCheckpointRequest, GetObjectRequest, GetServiceInfoRequest,
        get_checkpoint_request::CheckpointId, get_object_result, owner::OwnerKind,
    },
};
use tonic::Code;

use crate::support::{NFT, client, mask, object, quiet, start, text, until};

fn full(id: u64) -> String {
    format!("0x{id:064x}")
}

#[tokio::test]
async fn a_node_says_what_it_is() {
    let options = Options::new()
        .network(Network::Testnet)
        .first_checkpoint(1000);
    let node = start(options.quiet()).await;
    assert_eq!(node.advance(5), 1005);
    node.prune_below(1003);
    let client = client(&node);
    let info = client
        .clone()
        .ledger_client()
        .get_service_info(GetServiceInfoRequest::default())
        .await;
    let info = info.expect("info");
    assert_eq!(info.chain(), Some("testnet"));
    assert_eq!(info.checkpoint_height(), Some(1005));
    assert_eq!(info.lowest_available_checkpoint(), Some(1003));
    assert_eq!(
        info.chain_id().map(|id| id.to_string()),
        Some(Network::Testnet.chain_id())
    );
    let info = info.into_inner();
    assert_eq!(info.chain.as_deref(), Some("testnet"));
    assert_eq!(info.chain_id, Some(Network::Testnet.chain_id()));
    assert_eq!(info.checkpoint_height, Some(1005));
    assert_eq!(info.lowest_available_checkpoint, Some(1003));
    assert!(info.timestamp.expect("time").seconds > 1_700_000_000);
    node.stop().await;
}

#[tokio::test]
async fn networks_differ_by_their_first_checkpoint() {
    let networks = ["mainnet", "testnet", "devnet", "local"];
    let mut ids = Vec::new();
    for name in networks {
        let network: Network = name.parse().expect("a network");
        let node = start(Options::new().network(network)).await;
        assert_eq!(node.network(), network);
        let info = client(&node)
            .ledger_client()
            .get_service_info(GetServiceInfoRequest::default())
            .await;
        ids.push(info.expect("info").into_inner().chain_id.expect("an ID"));
        node.stop().await;
    }
    assert_eq!(ids[0], "4btiuiMPvEENsttpZC7CZ53DruC3MAgfznDbASZ7DR6S");
    ids.sort();
    ids.dedup();
    assert_eq!(ids.len(), networks.len());
    assert!("moonnet".parse::<Network>().is_err());
}

#[tokio::test]
async fn a_node_makes_checkpoints_by_itself_unless_it_is_quiet() {
    let node = start(Options::new()).await;
    until("the second checkpoint", || node.tip() >= 2).await;
    node.stop().await;
}

#[tokio::test]
async fn an_object_is_sent_as_the_mask_asks() {
    let node = quiet().await;
    let nft = Object::new("0x7e", NFT, json!({"title": "Buy milk"}));
    let version = node.put_object(nft.owner(Owner::Address("0xbee".to_owned())));
    assert_eq!(version.expect("stored"), 1);
    let client = client(&node);
    let request = GetObjectRequest::default().with_object_id("0x7e");
    let answer = client
        .clone()
        .ledger_client()
        .get_object(request.clone())
        .await;
    let found = answer.expect("found").into_inner().object.expect("object");
    assert_eq!(found.object_id, Some(full(0x7e)));
    assert_eq!(found.version, Some(1));
    assert!(found.digest.is_some() && found.json.is_none() && found.owner.is_none());
    let request = request.with_read_mask(mask(&["json", "owner", "object_type"]));
    let answer = client.clone().ledger_client().get_object(request).await;
    let found = answer.expect("found").into_inner().object.expect("object");
    assert_eq!(text(found.json.as_deref(), "title"), "Buy milk");
    assert_eq!(
        found.object_type,
        Some(format!("{}::todo_nft::TodoNFT", full(0xa11)))
    );
    let owner = found.owner.expect("owner");
    assert_eq!(owner.address, Some(full(0xbee)));
    assert_eq!(owner.kind, Some(OwnerKind::Address as i32));
    assert_eq!(found.version, None);
    node.stop().await;
}

#[tokio::test]
async fn an_object_has_versions_until_it_is_deleted_and_after() {
    let node = quiet().await;
    let nft = |title: &str| Object::new("0x7e", NFT, json!({ "title": title }));
    assert_eq!(node.put_object(nft("one")).expect("stored"), 1);
    assert_eq!(node.put_object(nft("seven").version(7)).expect("stored"), 7);
    assert_eq!(node.put_object(nft("eight")).expect("stored"), 8);
    let client = client(&node);
    let now = object(&client, "0x7e").await.expect("found");
    assert_eq!(text(now.json.as_deref(), "title"), "eight");
    assert!(node.delete_object("0x7e").expect("an ID"));
    assert!(!node.delete_object("0x7e").expect("an ID"));
    let gone = object(&client, "0x7e").await.expect_err("deleted");
    assert_eq!(
        (gone.code(), gone.message()),
        (Code::NotFound, &*format!("Object {} not found", full(0x7e)))
    );
    let ask = |version| {
        let request = GetObjectRequest::default()
            .with_object_id("0x7e")
            .with_version(version);
        request.with_read_mask(mask(&["json"]))
    };
    let old = client
        .clone()
        .ledger_client()
        .get_object(ask(7))
        .await
        .expect("found");
    let old = old.into_inner().object.expect("object");
    assert_eq!(text(old.json.as_deref(), "title"), "seven");
    let nothing = client
        .clone()
        .ledger_client()
        .get_object(ask(3))
        .await
        .expect_err("nothing");
    assert_eq!(
        nothing.message(),
        format!("Object {} with version 3 not found", full(0x7e))
    );
    node.stop().await;
}

#[tokio::test]
async fn a_batch_answers_each_object_by_itself() {
    let node = quiet().await;
    node.put_object(Object::new("0x1", NFT, json!({})))
        .expect("stored");
    let client = client(&node);
    let ask = |id: &str| GetObjectRequest::default().with_object_id(id);
    let batch = |ids: &[&str]| {
        BatchGetObjectsRequest::default().with_requests(ids.iter().map(|id| ask(id)).collect())
    };
    let answer = client
        .clone()
        .ledger_client()
        .batch_get_objects(batch(&["0x1", "0x2"]))
        .await;
    let objects = answer.expect("an answer").into_inner().objects;
    assert!(matches!(
        objects[0].result,
        Some(get_object_result::Result::Object(_))
    ));
    match &objects[1].result {
        Some(get_object_result::Result::Error(status)) => {
            assert_eq!(status.code, i32::from(Code::NotFound));
            assert_eq!(status.message, format!("Object {} not found", full(2)));
        }
        other => panic!("{other:?}"),
    }
    let bad = client
        .clone()
        .ledger_client()
        .batch_get_objects(batch(&["0x1", "0xno"]))
        .await;
    assert_eq!(bad.expect_err("malformed").code(), Code::InvalidArgument);
    let requests = node.requests();
    assert_eq!(requests[0].call, Call::BatchGetObjects);
    assert_eq!(requests[0].ids, ["0x1", "0x2"]);
    assert_eq!(
        (requests[0].code.as_str(), requests[1].code.as_str()),
        ("OK", "INVALID_ARGUMENT")
    );
    node.stop().await;
}

#[tokio::test]
async fn a_malformed_id_and_an_unknown_field_are_refused() {
    let node = quiet().await;
    let client = client(&node);
    let bad = object(&client, "0x789ghi").await.expect_err("malformed");
    assert_eq!(bad.code(), Code::InvalidArgument);
    assert!(bad.message().starts_with("invalid object_id: "), "{bad}");
    assert!(!bad.details().is_empty(), "which field it is");
    let nothing = client
        .clone()
        .ledger_client()
        .get_object(GetObjectRequest::default())
        .await;
    assert_eq!(nothing.expect_err("missing").code(), Code::InvalidArgument);
    let request = GetObjectRequest::default()
        .with_object_id("0x1")
        .with_read_mask(mask(&["title"]));
    let bad = client
        .clone()
        .ledger_client()
        .get_object(request)
        .await
        .expect_err("unknown");
    assert_eq!(bad.message(), "invalid read_mask path: title");
    node.stop().await;
}

#[tokio::test]
async fn what_is_put_in_is_checked() {
    let node = quiet().await;
    let put =
        |id: &str, object_type: &str| node.put_object(Object::new(id, object_type, json!({})));
    assert!(matches!(put("0xno", NFT), Err(Error::Address { .. })));
    for bad in [
        "TodoNFT",
        "0xa11::TodoNFT",
        "0xa11::todo nft::TodoNFT",
        "a::b::c::d",
    ] {
        assert!(matches!(put("0x1", bad), Err(Error::Type { .. })), "{bad}");
    }
    assert!(put("0x1", "0x2::coin::Coin<0x2::sui::SUI>").is_ok());
    node.stop().await;
}

#[tokio::test]
async fn checkpoints_are_found_by_number_and_by_digest_unless_pruned() {
    let node = quiet().await;
    node.advance(9);
    node.prune_below(4);
    let client = client(&node);
    let ask = |id: Option<CheckpointId>| {
        let mut request = GetCheckpointRequest::default();
        request.checkpoint_id = id;
        let request =
            request.with_read_mask(mask(&["sequence_number", "digest", "summary.timestamp"]));
        let mut ledger = client.clone();
        async move {
            ledger
                .ledger_client()
                .get_checkpoint(request)
                .await
                .map(tonic::Response::into_inner)
        }
    };
    let latest = ask(None)
        .await
        .expect("found")
        .checkpoint
        .expect("a checkpoint");
    assert_eq!(latest.sequence_number, Some(9));
    assert!(latest.summary.expect("a summary").timestamp.is_some());
    let digest = latest.digest.expect("a digest");
    let same = ask(Some(CheckpointId::Digest(digest)))
        .await
        .expect("found")
        .checkpoint;
    assert_eq!(same.expect("a checkpoint").sequence_number, Some(9));
    for missing in [3, 10] {
        let status = ask(Some(CheckpointId::SequenceNumber(missing)))
            .await
            .expect_err("missing");
        assert_eq!(status.code(), Code::NotFound);
        assert_eq!(status.message(), format!("Checkpoint {missing} not found"));
    }
    node.stop().await;
}
