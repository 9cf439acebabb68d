//! Lists of events.

use std::num::NonZeroU32;

use longhaul_sandbox::sui::{Call, Event, Options};
use serde_json::json;
use sui_rpc::{
    client::ResponseExt as _,
    proto::sui::rpc::v2::{
        EventFilter, EventTerm, ListEventsResponse, Ordering, QueryEndReason, QueryOptions,
        filter::event,
    },
};
use tonic::Code;

use crate::support::{
    client, created, emit, events_mask, filter, frames, list, mask, names, page, quiet, refused,
    start, titles,
};

fn limit(items: u32) -> NonZeroU32 {
    NonZeroU32::new(items).expect("not zero")
}

fn reason(frames: &[ListEventsResponse]) -> QueryEndReason {
    let end = frames
        .last()
        .and_then(|last| last.end.as_ref())
        .expect("an end");
    end.reason()
}

#[tokio::test]
async fn events_are_listed_within_checkpoints() {
    let node = quiet().await;
    emit(&node, 1..=10);
    let client = client(&node);
    let all = frames(&client, list()).await.expect("a list");
    assert_eq!(names(&all), titles(1..=10));
    assert_eq!(reason(&all), QueryEndReason::LedgerTip);
    let some = list().with_start_checkpoint(3).with_end_checkpoint(6);
    let some = frames(&client, some).await.expect("a list");
    assert_eq!(names(&some), titles(3..6));
    assert_eq!(reason(&some), QueryEndReason::CheckpointBound);
    let end = some
        .last()
        .expect("an end")
        .watermark
        .as_ref()
        .expect("a watermark");
    assert_eq!(end.checkpoint, Some(5));
    let nothing = list().with_start_checkpoint(20);
    let nothing = frames(&client, nothing).await.expect("a list");
    assert!(names(&nothing).is_empty());
    assert_eq!(reason(&nothing), QueryEndReason::LedgerTip);
    node.stop().await;
}

#[tokio::test]
async fn an_event_is_sent_as_the_mask_asks() {
    let node = quiet().await;
    node.emit([
        created(1).sender("0xbee"),
        created(2).same_transaction(),
        created(3),
    ])
    .expect("emitted");
    let client = client(&node);
    let all = page(&client, list().with_read_mask(mask(&["*"]))).await;
    let events: Vec<_> = all
        .iter()
        .filter_map(|frame| frame.event.as_ref())
        .collect();
    let place = |event: &sui_rpc::proto::sui::rpc::v2::Event| {
        (event.checkpoint, event.transaction_index, event.event_index)
    };
    // The first transaction of a checkpoint is the system's own.
    assert_eq!(place(events[0]), (Some(1), Some(1), Some(0)));
    assert_eq!(place(events[1]), (Some(1), Some(1), Some(1)));
    assert_eq!(place(events[2]), (Some(1), Some(2), Some(0)));
    assert_eq!(events[0].transaction_digest, events[1].transaction_digest);
    assert_ne!(events[0].transaction_digest, events[2].transaction_digest);
    assert_eq!(events[0].sender, Some(format!("0x{:064x}", 0xbee)));
    assert_eq!(events[0].package_id, Some(format!("0x{:064x}", 0xa11)));
    assert_eq!(events[0].module.as_deref(), Some("todo_nft"));
    let mut unmasked = list();
    unmasked.read_mask = None;
    let plain = page(&client, unmasked).await;
    let plain = plain[0].event.as_ref().expect("an event");
    assert_eq!(
        plain.event_type,
        Some(format!("0x{:064x}::todo_nft::TodoNFTCreated", 0xa11))
    );
    assert!(plain.json.is_none() && plain.checkpoint.is_none());
    node.stop().await;
}

#[tokio::test]
async fn filters_match_what_they_say() {
    let node = quiet().await;
    let other = Event::new(
        "0xa11::todo_nft::TodoNFTCompleted",
        json!({"title": "Completed"}),
    );
    let foreign = Event::new(
        "0xa111::todo_nft::TodoNFTCreated",
        json!({"title": "Foreign"}),
    );
    let events = [
        created(1).sender("0xbee"),
        other,
        foreign.module("0xca11::relay"),
    ];
    node.emit(events).expect("emitted");
    let client = client(&node);
    let bee = || {
        event::sender(
            "0xbee"
                .parse::<sui_sdk_types::Address>()
                .expect("an address"),
        )
    };
    let cases = [
        (
            EventFilter::matching(event::event_type("0xa11")),
            vec!["Todo 1", "Completed"],
        ),
        (
            EventFilter::matching(event::event_type("0xa11::todo_nft")),
            vec!["Todo 1", "Completed"],
        ),
        (filter(), vec!["Todo 1"]),
        (
            EventFilter::matching(event::emit_module("0xca11::relay")),
            vec!["Foreign"],
        ),
        (EventFilter::matching(bee()), vec!["Todo 1"]),
        (
            EventFilter::matching(bee().negate()),
            vec!["Completed", "Foreign"],
        ),
        (
            EventFilter::any([
                EventTerm::all([event::event_type("0xa11"), bee().negate()]),
                EventTerm::all([event::event_type("0xa111")]),
            ]),
            vec!["Completed", "Foreign"],
        ),
    ];
    for (filter, expected) in cases {
        let found = frames(&client, list().with_filter(filter.clone()))
            .await
            .expect("a list");
        assert_eq!(names(&found), expected, "{filter:?}");
    }
    for bad in [
        EventFilter::default(),
        EventFilter::matching(event::event_type("0xnot::todo_nft")),
        EventFilter::matching(event::event_type("0xa11::todo_nft::Created::More")),
        EventFilter::all((0..11).map(|_| bee())),
    ] {
        let status = refused(&client, list().with_filter(bad.clone())).await;
        assert_eq!(status.code(), Code::InvalidArgument, "{bad:?}");
    }
    node.stop().await;
}

#[tokio::test]
async fn a_long_list_comes_in_pages() {
    let node = start(Options::new().quiet().list_limit(limit(4))).await;
    emit(&node, 1..=10);
    let client = client(&node);
    let first = page(&client, list()).await;
    assert_eq!(names(&first), titles(1..=4));
    assert_eq!(reason(&first), QueryEndReason::ItemLimit);
    // More than the node allows is taken for what it allows.
    let greedy = list().with_options(QueryOptions::default().with_limit(1000));
    assert_eq!(names(&page(&client, greedy).await), titles(1..=4));
    let cursor = first[3]
        .watermark
        .clone()
        .and_then(|watermark| watermark.cursor)
        .expect("a cursor");
    let options = QueryOptions::default().with_after(cursor).with_limit(2);
    let second = page(&client, list().with_options(options)).await;
    assert_eq!(names(&second), titles(5..=6));
    node.clear_requests();
    let all = frames(&client, list()).await.expect("a list");
    assert_eq!(names(&all), titles(1..=10));
    let requests = node.requests();
    assert_eq!(
        requests
            .iter()
            .map(|request| request.sent)
            .collect::<Vec<_>>(),
        [4, 4, 2]
    );
    assert!(
        requests
            .iter()
            .all(|request| request.call == Call::ListEvents && request.code == "OK")
    );
    assert!(!requests[0].resumed && requests[1].resumed);
    node.stop().await;
}

#[tokio::test]
async fn a_list_is_read_downwards_too() {
    let node = start(Options::new().quiet().list_limit(limit(3))).await;
    emit(&node, 1..=7);
    let down = || QueryOptions::default().with_ordering(Ordering::Descending);
    let client = client(&node);
    let all = frames(&client, list().with_options(down()))
        .await
        .expect("a list");
    assert_eq!(names(&all), titles((1..=7).rev()));
    assert_eq!(reason(&all), QueryEndReason::CheckpointBound);
    let some = list()
        .with_start_checkpoint(2)
        .with_end_checkpoint(5)
        .with_options(down());
    let some = frames(&client, some).await.expect("a list");
    assert_eq!(names(&some), titles((2..5).rev()));
    node.stop().await;
}

#[tokio::test]
async fn cursors_bound_a_list_on_both_sides() {
    let node = quiet().await;
    emit(&node, 1..=9);
    let client = client(&node);
    let all = page(&client, list()).await;
    let cursor = |id: usize| {
        all[id - 1]
            .watermark
            .clone()
            .and_then(|mark| mark.cursor)
            .expect("a cursor")
    };
    let between = |low, high| {
        QueryOptions::default()
            .with_after(cursor(low))
            .with_before(cursor(high))
    };
    let some = frames(&client, list().with_options(between(2, 6)))
        .await
        .expect("a list");
    assert_eq!(names(&some), titles(3..6));
    assert_eq!(reason(&some), QueryEndReason::CursorBound);
    let nothing = frames(&client, list().with_options(between(5, 6)))
        .await
        .expect("a list");
    assert!(names(&nothing).is_empty());
    let down = between(2, 6).with_ordering(Ordering::Descending);
    let down = frames(&client, list().with_options(down))
        .await
        .expect("a list");
    assert_eq!(names(&down), titles((3..6).rev()));
    for bad in ["", "c1", "not a cursor of any node"] {
        let options = QueryOptions::default().with_after(bad.as_bytes().to_vec());
        let status = refused(&client, list().with_options(options)).await;
        assert_eq!(
            (status.code(), status.message()),
            (Code::InvalidArgument, "invalid cursor")
        );
    }
    node.stop().await;
}

#[tokio::test]
async fn a_list_says_how_far_it_looked_when_it_found_nothing() {
    let node = start(Options::new().quiet().scan_limit(limit(10))).await;
    node.advance(24);
    emit(&node, [1]);
    let client = client(&node);
    let first = page(&client, list()).await;
    assert!(names(&first).is_empty());
    assert_eq!(reason(&first), QueryEndReason::ScanLimit);
    let covered = first[0]
        .watermark
        .as_ref()
        .and_then(|watermark| watermark.checkpoint);
    assert_eq!(covered, Some(8));
    let all = frames(&client, list()).await.expect("a list");
    assert_eq!(names(&all), titles([1]));
    let down = QueryOptions::default().with_ordering(Ordering::Descending);
    let down = frames(&client, list().with_options(down))
        .await
        .expect("a list");
    assert_eq!(names(&down), titles([1]));
    assert!(down.len() > 2, "it went on to the first checkpoint");
    node.stop().await;
}

#[tokio::test]
async fn what_is_pruned_is_refused_by_name_and_left_out_otherwise() {
    let node = start(Options::new().quiet().first_checkpoint(1_000_000)).await;
    emit(&node, 1..=9);
    let client = client(&node);
    let cursor = page(&client, list()).await[1]
        .watermark
        .clone()
        .and_then(|mark| mark.cursor);
    node.prune_below(1_000_005);
    let status = refused(&client, list().with_start_checkpoint(999)).await;
    assert_eq!(status.code(), Code::OutOfRange);
    assert!(
        status.message().starts_with(
            "requested data below earliest available; lowest available tx_seq is 1000"
        ),
        "{status}"
    );
    let options = QueryOptions::default().with_after(cursor.expect("a cursor"));
    let status = refused(&client, list().with_options(options)).await;
    assert_eq!(status.code(), Code::OutOfRange);
    let kept = frames(&client, list()).await.expect("a list");
    assert_eq!(names(&kept), titles(5..=9));
    let kept = frames(&client, list().with_start_checkpoint(1_000_005))
        .await
        .expect("a list");
    assert_eq!(names(&kept), titles(5..=9));
    let down = QueryOptions::default().with_ordering(Ordering::Descending);
    let down = frames(&client, list().with_options(down))
        .await
        .expect("a list");
    assert_eq!(names(&down), titles((5..=9).rev()));
    let answer = client
        .clone()
        .ledger_client()
        .list_events(list())
        .await
        .expect("a list");
    assert_eq!(answer.lowest_available_checkpoint(), Some(1_000_005));
    node.stop().await;
}

#[tokio::test]
async fn bounds_that_cross_and_fields_unknown_are_refused() {
    let node = quiet().await;
    let client = client(&node);
    let crossed = list().with_start_checkpoint(5).with_end_checkpoint(4);
    let status = refused(&client, crossed).await;
    assert_eq!(
        (status.code(), status.message()),
        (
            Code::InvalidArgument,
            "end_checkpoint must be greater than or equal to start_checkpoint"
        )
    );
    let mut unknown = events_mask();
    unknown.paths.push("todo".to_owned());
    let status = refused(&client, list().with_read_mask(unknown)).await;
    assert_eq!(status.message(), "invalid read_mask path: todo");
    node.stop().await;
}

#[tokio::test]
async fn the_ledger_keeps_no_more_than_it_may() {
    let node = start(Options::new().quiet().keep_events(limit(6))).await;
    for first in [1, 4] {
        node.emit((first..first + 3).map(created)).expect("emitted");
    }
    assert_eq!(node.lowest_available_checkpoint(), 0);
    emit(&node, [7]);
    assert_eq!(node.lowest_available_checkpoint(), 2);
    let kept = frames(&client(&node), list()).await.expect("a list");
    assert_eq!(names(&kept), titles(4..=7));
    node.stop().await;
}
