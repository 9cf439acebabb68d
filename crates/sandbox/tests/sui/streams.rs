//! Streams of events.

use futures_util::StreamExt as _;
use longhaul_sandbox::sui::{Call, Event, Options};
use serde_json::json;
use sui_rpc::client::{Delivery, EventStreamStart};
use tonic::Code;

use crate::support::{
    at_tip, client, created, emit, next, quiet, start, stream, stream_request, titles, until,
    within,
};

#[tokio::test]
async fn a_stream_begins_at_the_tip_at_a_checkpoint_or_at_a_cursor() {
    let node = quiet().await;
    emit(&node, 1..=5);
    let client = client(&node);
    let mut tip = stream(&client, stream_request());
    let first = within(tip.next()).await.expect("no end").expect("a frame");
    assert_eq!(
        (first.event.is_none(), first.covered_checkpoint),
        (true, Some(5))
    );
    let from = stream_request().with_start(EventStreamStart::Checkpoint(3));
    let mut from = stream(&client, from);
    let (found, cursor) = next(&mut from, 2).await;
    assert_eq!(found, titles(3..=4));
    assert_eq!(next(&mut from, 1).await.0, titles([5]));
    let resumed = stream_request().with_start(EventStreamStart::Resume(cursor));
    let mut resumed = stream(&client, resumed);
    assert_eq!(next(&mut resumed, 1).await.0, titles([5]));
    // Each has caught up, and goes on with what comes.
    node.emit([created(6), created(7).same_transaction()])
        .expect("emitted");
    for stream in [&mut tip, &mut from, &mut resumed] {
        assert_eq!(next(stream, 2).await.0, titles(6..=7));
    }
    node.stop().await;
}

#[tokio::test]
async fn a_stream_resumed_at_the_tip_goes_on_with_the_next_checkpoint() {
    let node = start(Options::new().checkpoint_interval(std::time::Duration::from_millis(5))).await;
    let client = client(&node);
    let mut first = at_tip(&client).await;
    emit(&node, [1]);
    let (_, cursor) = next(&mut first, 1).await;
    let resumed = stream_request().with_start(EventStreamStart::Resume(cursor));
    let mut resumed = stream(&client, resumed);
    let frame = within(resumed.next())
        .await
        .expect("no end")
        .expect("a frame");
    assert!(frame.event.is_none());
    emit(&node, [2]);
    assert_eq!(next(&mut resumed, 1).await.0, titles([2]));
    node.stop().await;
}

#[tokio::test]
async fn a_stream_can_also_be_polled() {
    let node = quiet().await;
    emit(&node, 1..=3);
    let request = stream_request()
        .with_delivery(Delivery::Poll)
        .with_start(EventStreamStart::Checkpoint(2));
    let mut polled = stream(&client(&node), request);
    assert_eq!(next(&mut polled, 2).await.0, titles(2..=3));
    emit(&node, 4..=5);
    assert_eq!(next(&mut polled, 2).await.0, titles(4..=5));
    node.stop().await;
}

#[tokio::test]
async fn a_stream_waits_for_a_checkpoint_that_is_still_to_come() {
    let node = quiet().await;
    let from = stream_request().with_start(EventStreamStart::Checkpoint(4));
    let mut from = stream(&client(&node), from);
    let reader = tokio::spawn(async move { next(&mut from, 1).await.0 });
    until("asked for its tip twice", || {
        let calls = node.requests();
        calls
            .iter()
            .filter(|request| request.call == Call::GetServiceInfo)
            .count()
            >= 2
    })
    .await;
    emit(&node, 1..=4);
    assert_eq!(within(reader).await.expect("no panic"), titles([4]));
    node.stop().await;
}

#[tokio::test]
async fn a_filtered_stream_says_how_far_it_is_when_nothing_matches() {
    let node = quiet().await;
    let mut tip = at_tip(&client(&node)).await;
    let other = Event::new("0xa11::todo_nft::TodoNFTCompleted", json!({}));
    for _ in 0..300 {
        node.emit([other.clone()]).expect("emitted");
    }
    let mut covered = None;
    within(async {
        while covered != Some(300) {
            let frame = tip.next().await.expect("no end").expect("a frame");
            assert!(frame.event.is_none());
            covered = frame.covered_checkpoint;
        }
    })
    .await;
    node.stop().await;
}

#[tokio::test]
async fn a_stream_of_thousands_is_whole_and_in_order() {
    let node = quiet().await;
    let client = client(&node);
    let mut tip = at_tip(&client).await;
    let reader = tokio::spawn(async move { next(&mut tip, 5000).await.0 });
    for first in (1..=5000).step_by(10) {
        node.emit((first..first + 10).map(created))
            .expect("emitted");
        tokio::task::yield_now().await;
    }
    assert_eq!(within(reader).await.expect("no panic"), titles(1..=5000));
    let from = stream_request().with_start(EventStreamStart::Checkpoint(0));
    let mut from = stream(&client, from);
    assert_eq!(next(&mut from, 5000).await.0, titles(1..=5000));
    node.stop().await;
}

#[tokio::test]
async fn history_that_is_pruned_is_refused() {
    let node = quiet().await;
    emit(&node, 1..=5);
    node.prune_below(3);
    let from = stream_request().with_start(EventStreamStart::Checkpoint(2));
    let mut from = stream(&client(&node), from);
    let status = within(from.next())
        .await
        .expect("an answer")
        .expect_err("pruned");
    assert_eq!(status.code(), Code::OutOfRange);
    node.stop().await;
}

#[tokio::test]
async fn a_stream_hears_of_the_stop() {
    let node = quiet().await;
    let mut client = client(&node);
    let request = sui_rpc::proto::sui::rpc::v2::SubscribeEventsRequest::default();
    let answer = client.subscription_client().subscribe_events(request).await;
    let mut frames = answer.expect("a stream").into_inner();
    assert!(within(frames.message()).await.expect("a frame").is_some());
    within(node.stop()).await;
    let status = within(frames.message()).await.expect_err("stopped");
    assert_eq!(status.code(), Code::Unavailable);
}

#[tokio::test]
async fn a_stream_that_is_left_behind_by_pruning_ends() {
    let keep = std::num::NonZeroU32::new(10).expect("not zero");
    let node = start(Options::new().quiet().keep_events(keep)).await;
    let mut client = client(&node);
    let request = sui_rpc::proto::sui::rpc::v2::SubscribeEventsRequest::default();
    let answer = client.subscription_client().subscribe_events(request).await;
    let mut frames = answer.expect("a stream").into_inner();
    assert!(within(frames.message()).await.expect("a frame").is_some());
    // On the one thread of this test nothing is sent in between.
    emit(&node, 1..=20);
    assert!(within(frames.message()).await.expect("no error").is_none());
    node.stop().await;
}
