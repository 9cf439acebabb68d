//! Downloads from the sandbox that go well, are stopped and go on.

mod common;

use std::time::Duration;

use common::{Memory, SIZE, Setup, range};
use longhaul_sandbox::aggregator::{Fault, Rule};
use longhaul_walrus::{
    aggregator::Retry,
    blob_id::BlobId,
    download::{Error, Pieces},
};

#[tokio::test]
async fn a_blob_comes_in_pieces() {
    let setup = Setup::new().await;
    let memory = Memory::default();
    let fetched = setup.fetch(None, &memory).await.expect("fetched");
    setup.assert_same();
    assert!(fetched.pieces.is_complete());
    assert_eq!(fetched.retries, 0);

    let requests = setup.sandbox.requests();
    assert_eq!(range(&requests[0]), Some((0, 0)), "the length is asked for");
    let mut ranges: Vec<_> = requests[1..].iter().filter_map(range).collect();
    ranges.sort_unstable();
    let pieces = Pieces::plan(setup.blob, SIZE as u64);
    let planned: Vec<_> = (0..pieces.count())
        .map(|index| pieces.range(index))
        .map(|range| (range.start, range.end - 1))
        .collect();
    assert_eq!(ranges, planned);

    let told = memory.told();
    assert_eq!(told.progress.first(), Some(&(0, Some(SIZE as u64))));
    assert_eq!(
        told.progress.last(),
        Some(&(SIZE as u64, Some(SIZE as u64)))
    );
    assert_eq!(told.saved.last(), Some(&fetched.pieces));
    assert!(told.saved.is_sorted_by_key(Pieces::done_count));
    assert!(told.retries.is_empty());
}

#[tokio::test]
async fn a_small_blob_is_one_request() {
    for size in [0, 1, 5000, 1_000_000] {
        let mut setup = Setup::with(size).await;
        setup.options = setup.options.small(true);
        let memory = Memory::default();
        let fetched = setup.fetch(None, &memory).await.expect("fetched");
        setup.assert_same();
        assert_eq!(setup.sandbox.requests().len(), 1, "{size}");
        assert_eq!(memory.told().saved, [fetched.pieces], "one sync");
    }
}

#[tokio::test]
async fn a_blob_said_to_be_small_may_be_large_or_refused_whole() {
    let mut setup = Setup::new().await;
    setup.options = setup.options.small(true);
    setup
        .fetch(None, &Memory::default())
        .await
        .expect("fetched");
    setup.assert_same();
    let ranges = setup.sandbox.requests().iter().filter_map(range).count();
    assert_eq!(ranges, 10);

    setup.fault_times(Fault::Status { code: 403 }, 1);
    setup
        .fetch(None, &Memory::default())
        .await
        .expect("fetched");
    setup.assert_same();
}

#[tokio::test]
async fn an_empty_blob_and_one_of_a_byte() {
    for size in [0, 1] {
        let setup = Setup::with(size).await;
        let memory = Memory::default();
        let fetched = setup.fetch(None, &memory).await.expect("fetched");
        setup.assert_same();
        assert_eq!(fetched.pieces.total(), size as u64);
        assert_eq!(memory.told().saved, [fetched.pieces]);
    }
}

#[tokio::test]
async fn no_finished_piece_is_fetched_again() {
    let mut setup = Setup::new().await;
    // The length and four pieces come, the others never do.
    let stall = Rule::new(Fault::Stall { after: 500_000 }).skip(5);
    setup.sandbox.faults().add(stall);
    let first = Memory::default();
    // Dropped in the middle, as when its process is killed.
    tokio::select! {
        _ = setup.fetch(None, &first) => panic!("it can not end"),
        () = first.saved_at_least(4) => {}
    }
    let saved = first.last_saved().expect("a state");
    assert_eq!(saved.done_count(), 4);
    setup.restart_sandbox().await;

    let second = Memory::default();
    let fetched = setup.fetch(Some(saved.clone()), &second).await;
    assert!(fetched.expect("fetched").pieces.is_complete());
    setup.assert_same();
    let requests = setup.sandbox.requests();
    assert_eq!(requests.len(), 6);
    for request in &requests {
        let (start, end) = range(request).expect("a range");
        let index = start / saved.piece_size();
        assert!(!saved.is_done(index), "piece {index} again");
        assert_eq!(saved.range(index), start..end + 1);
    }
    let told = second.told();
    assert_eq!(
        told.progress[0],
        (saved.done_bytes(), Some(saved.total())),
        "progress goes on where it was"
    );

    // All is there: nothing more is asked for.
    setup.sandbox.clear_requests();
    let complete = second.last_saved();
    setup
        .fetch(complete, &Memory::default())
        .await
        .expect("fetched");
    assert!(setup.sandbox.requests().is_empty());
}

#[tokio::test]
async fn a_state_whose_file_is_not_there_is_of_no_use() {
    let setup = Setup::new().await;
    let memory = Memory::default();
    setup.fetch(None, &memory).await.expect("fetched");
    let saved = memory.last_saved();

    std::fs::remove_file(setup.path()).expect("removed");
    setup
        .fetch(saved.clone(), &Memory::default())
        .await
        .expect("fetched");
    setup.assert_same();

    std::fs::write(setup.path(), b"shorter").expect("written");
    setup
        .fetch(saved, &Memory::default())
        .await
        .expect("fetched");
    setup.assert_same();

    let mut other = Pieces::plan(BlobId::from_bytes([1; 32]), SIZE as u64);
    let text = serde_json::to_string(&other).expect("text");
    let all_done = text.replace(r#""done":"AAA""#, r#""done":"/wM""#);
    other = serde_json::from_str(&all_done).expect("a state");
    assert!(other.is_complete());
    std::fs::write(setup.path(), vec![0; SIZE]).expect("written");
    setup
        .fetch(Some(other), &Memory::default())
        .await
        .expect("fetched");
    setup.assert_same();
}

#[tokio::test]
async fn a_cancelled_download_keeps_what_it_has() {
    let setup = Setup::new().await;
    let stall = Rule::new(Fault::Stall { after: 500_000 }).skip(5);
    setup.sandbox.faults().add(stall);
    let memory = Memory::cancels_at(1);
    let error = setup.fetch(None, &memory).await.expect_err("cancelled");
    assert!(matches!(error, Error::Cancelled), "{error}");
    let saved = memory.last_saved().expect("a state");
    assert!(saved.done_count() >= 1 && !saved.is_complete());
    let file = setup.file();
    for index in (0..10).filter(|&index| saved.is_done(index)) {
        let range = saved.range(index);
        let range = usize::try_from(range.start).expect("small")
            ..usize::try_from(range.end).expect("small");
        assert!(file[range.clone()] == setup.bytes[range]);
    }
    setup.sandbox.faults().clear();
    setup
        .fetch(Some(saved), &Memory::default())
        .await
        .expect("fetched");
    setup.assert_same();
}

#[tokio::test]
async fn a_state_that_can_not_be_kept_ends_the_download() {
    let setup = Setup::new().await;
    // The pieces that still come would take ten minutes.
    setup.fault_times(Fault::Stall { after: 10 }, 3);
    let memory = Memory::fails_at(1);
    let fetch = setup.fetch(None, &memory);
    let ended = tokio::time::timeout(Duration::from_secs(5), fetch).await;
    let error = ended.expect("in time").expect_err("failed");
    assert!(matches!(error, Error::Observer(_)), "{error}");
    assert!(matches!(error.retry(), Retry::After(None)));
}

#[tokio::test]
async fn progress_is_live_within_a_piece() {
    let setup = Setup::with(1_000_000).await;
    setup.fault(Fault::Slow {
        bytes_per_second: 4_000_000,
    });
    let memory = Memory::default();
    setup.fetch(None, &memory).await.expect("fetched");
    let told = memory.told();
    assert_eq!(told.saved.len(), 1);
    assert!(told.progress.len() >= 3, "{:?}", told.progress);
}

#[tokio::test]
async fn a_file_that_can_not_be_made_is_told() {
    let setup = Setup::with(10).await;
    let missing = setup.folder.path().join("missing/file");
    let memory = Memory::default();
    let error = longhaul_walrus::download::fetch(
        &setup.aggregator,
        setup.blob,
        &missing,
        None,
        &setup.options,
        &memory,
        &memory.cancel,
    )
    .await
    .expect_err("no folder");
    assert!(matches!(&error, Error::File { path, .. } if *path == missing));
}

#[tokio::test]
async fn a_download_may_run_in_a_task() {
    let setup = Setup::with(10).await;
    let (aggregator, blob, path) = (setup.aggregator.clone(), setup.blob, setup.path());
    let options = setup.options.clone();
    tokio::spawn(async move {
        let memory = Memory::default();
        longhaul_walrus::download::fetch(
            &aggregator,
            blob,
            path,
            None,
            &options,
            &memory,
            &memory.cancel,
        )
        .await
        .expect("fetched");
    })
    .await
    .expect("no panic");
    setup.assert_same();
}
