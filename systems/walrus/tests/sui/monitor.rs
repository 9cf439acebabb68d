//! The job `walrus.monitor` against a stand-in of a node: every event once, whatever breaks.

use longhaul::types::State;
use longhaul_sandbox::sui::{Call, Event, Fault, Network as Chain, Options, Rule};
use longhaul_walrus::sui::Happening;
use serde_json::json;

use crate::rig::{PACKAGE, Rig, all_created, long, metadata, until};

#[tokio::test(flavor = "multi_thread")]
async fn each_event_that_is_asked_for_starts_one_fetch() {
    let rig = Rig::new().await;
    let mut args = rig.monitor();
    args.followed.events = vec![Happening::NftCreated, Happening::NftCompleted];
    let job = rig.start_monitor(args).await;
    let blob = rig.todo("Buy milk");
    rig.object(&long(1), json!({"walrus_blob_id": blob.to_string()}));
    let other = |name: &str, object: u64| {
        Event::new(
            format!("{PACKAGE}::todo_nft::{name}"),
            json!({"todo_id": long(object)}),
        )
    };
    rig.node.emit(all_created([1, 2])).expect("emitted");
    let more = [
        other("TodoNFTUpdated", 1),
        other("TodoNFTCompleted", 3),
        other("Other", 4),
    ];
    rig.node.emit(more).expect("emitted");
    rig.fetched([1, 2, 3]).await;
    until("it says so", async || {
        metadata(&job, "events").await == Some(3)
    })
    .await;
    assert_eq!(metadata(&job, "jobs").await, Some(3));
    let file = rig.path("out").join(blob.to_string());
    until("the blob is fetched", async || file.is_file()).await;
    let log = rig.log(&job).await;
    let line = format!("nft-created {} \"Buy milk\" at checkpoint", long(1));
    assert!(log.iter().any(|text| text.starts_with(&line)), "{log:?}");
    let ended = job.cancel().await.expect("cancelled");
    drop(ended);
    assert_eq!(job.wait().await.expect("ended").state(), State::Cancelled);
}

#[tokio::test(flavor = "multi_thread")]
async fn without_auto_retrieve_events_are_only_logged() {
    let rig = Rig::new().await;
    let mut args = rig.monitor();
    args.auto_retrieve = false;
    let job = rig.start_monitor(args).await;
    rig.node.emit(all_created([1, 2])).expect("emitted");
    until("both are seen", async || {
        metadata(&job, "events").await == Some(2)
    })
    .await;
    let log = rig.log(&job).await;
    let lines = log.iter().filter(|line| line.starts_with("nft-created 0x"));
    assert_eq!(lines.count(), 2, "{log:?}");
    assert!(rig.fetches().await.is_empty());
}

#[tokio::test(flavor = "multi_thread")]
async fn a_restart_goes_on_where_it_was() {
    let rig = Rig::new().await;
    let job = rig.start_monitor(rig.monitor()).await;
    rig.node.emit(all_created([1])).expect("emitted");
    rig.fetched([1]).await;
    let (rig, job) = rig
        .restart(job, |rig| {
            rig.node.emit(all_created(2..40)).expect("emitted");
        })
        .await;
    rig.node.emit(all_created([40])).expect("emitted");
    rig.fetched(1..=40).await;
    until("all are counted", async || {
        metadata(&job, "events").await == Some(40)
    })
    .await;
    assert_eq!(job.job().await.expect("read").attempts, 0);
}

#[tokio::test(flavor = "multi_thread")]
async fn breaks_replays_and_absence_lose_nothing_and_repeat_nothing() {
    let rig = Rig::new().await;
    let subscribe = |fault| Rule::new(fault).on(Call::SubscribeEvents);
    // No subscription lives for longer than this, so that each round meets its fault.
    rig.node.faults().add(subscribe(Fault::End { after: 6 }));
    let _job = rig.start_monitor(rig.monitor()).await;
    let faults = [
        subscribe(Fault::Disconnect { after: 3 }).times(1),
        Rule::new(Fault::Unavailable).on(Call::ListEvents).times(2),
        subscribe(Fault::Replay {
            after: 4,
            events: 3,
        })
        .times(1),
        subscribe(Fault::Unavailable).times(1),
        Rule::new(Fault::Behind { checkpoints: 3 }).times(2),
    ];
    for (number, rule) in (0_u64..).zip(faults) {
        rig.node.faults().add(rule);
        let first = number * 20;
        rig.node
            .emit(all_created(first..first + 10))
            .expect("emitted");
        for object in first + 10..first + 20 {
            rig.node.emit(all_created([object])).expect("emitted");
        }
        rig.fetched(0..first + 20).await;
        let left = rig.node.faults().list();
        assert_eq!(left.len(), 1, "met none of {left:?}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_node_that_tells_nothing_by_itself_is_asked() {
    let rig = Rig::new().await;
    let unimplemented = Fault::Status {
        code: 12,
        message: "no subscriptions here".to_owned(),
    };
    rig.node
        .faults()
        .add(Rule::new(unimplemented).on(Call::SubscribeEvents));
    let job = rig.start_monitor(rig.monitor()).await;
    rig.node.emit(all_created([1, 2])).expect("emitted");
    rig.fetched([1, 2]).await;
    let log = rig.log(&job).await;
    assert!(
        log.iter()
            .any(|line| line.contains("asking every second instead")),
        "{log:?}"
    );
}

#[tokio::test(flavor = "multi_thread")]
async fn a_cursor_that_is_not_taken_loses_nothing() {
    let rig = Rig::new().await;
    let job = rig.start_monitor(rig.monitor()).await;
    rig.node.emit(all_created([1])).expect("emitted");
    rig.fetched([1]).await;
    let (rig, job) = rig
        .restart(job, |rig| {
            rig.node.emit(all_created([2, 3])).expect("emitted");
            rig.node.clear_requests();
            let invalid = Fault::Status {
                code: 3,
                message: "this is no cursor of mine".to_owned(),
            };
            rig.node
                .faults()
                .add(Rule::new(invalid).on(Call::ListEvents).times(1));
        })
        .await;
    rig.fetched([1, 2, 3]).await;
    let asked = rig.node.requests();
    let lists: Vec<_> = asked
        .iter()
        .filter(|asked| asked.call == Call::ListEvents)
        .map(|asked| (asked.resumed, asked.start_checkpoint.is_some()))
        .collect();
    assert_eq!(lists[..2], [(true, false), (false, true)], "{asked:?}");
    let log = rig.log(&job).await;
    assert!(
        log.iter()
            .any(|line| line.contains("this is no cursor of mine")),
        "{log:?}"
    );
}

#[tokio::test(flavor = "multi_thread")]
async fn what_was_pruned_while_it_was_away_is_said() {
    let rig = Rig::new().await;
    let job = rig.start_monitor(rig.monitor()).await;
    let mut lowest = 0;
    let (_rig, job) = rig
        .restart(job, |rig| {
            lowest = rig.node.advance(100);
            rig.node.prune_below(lowest);
        })
        .await;
    let ended = job.wait().await.expect("ended");
    let error = ended.error().expect("failed");
    assert_eq!(error.code, "history_pruned");
    assert!(
        error
            .message
            .contains("is pruned: the lowest that the node"),
        "{error}"
    );
    assert!(
        error
            .message
            .contains(&format!("use --from-block {lowest}")),
        "{error}"
    );
}

#[tokio::test(flavor = "multi_thread")]
async fn another_chain_behind_the_same_address_is_not_followed() {
    let mut rig = Rig::new().await;
    let job = rig.start_monitor(rig.monitor()).await;
    let port = rig.node.address().port();
    let elsewhere = Options::new().network(Chain::Mainnet);
    let spare = elsewhere.clone().start().await.expect("started");
    std::mem::replace(&mut rig.node, spare).stop().await;
    let _other = elsewhere.port(port).start().await.expect("started");
    let ended = job.wait().await.expect("ended");
    let error = ended.error().expect("failed");
    assert_eq!(error.code, "wrong_network", "{error}");
    assert!(error.message.contains("is of another chain"), "{error}");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_node_that_was_never_met_is_not_waited_for_for_ever() {
    let rig = Rig::new().await;
    let mut args = rig.monitor();
    args.followed.node = "http://127.0.0.1:1".to_owned();
    let job = rig.engine.submit(args).await.expect("submitted");
    let ended = job.wait().await.expect("ended");
    assert_eq!(ended.error().expect("failed").code, "node_unreachable");
}
