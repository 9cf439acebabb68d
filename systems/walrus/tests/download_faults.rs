//! Downloads from a sandbox that fails in the ways aggregators and the caches before them fail.

mod common;

use std::time::{Duration, Instant};

use common::{Memory, SIZE, Setup, range};
use longhaul_sandbox::aggregator::{Fault, Rule};
use longhaul_walrus::{
    aggregator::{self, Options, Retry},
    download::{Error, Pieces},
};

/// The error of a download that the aggregator's answers end.
async fn failed(setup: &Setup, memory: &Memory) -> (aggregator::Error, u32) {
    match setup.fetch(None, memory).await {
        Err(Error::Fetch { source, attempts }) => (source, attempts),
        other => panic!("{other:?}"),
    }
}

#[tokio::test]
async fn a_server_that_ignores_ranges_is_read_once_from_the_start() {
    let setup = Setup::new().await;
    setup.fault(Fault::IgnoreRange);
    let memory = Memory::default();
    setup.fetch(None, &memory).await.expect("fetched");
    setup.assert_same();
    assert_eq!(setup.sandbox.requests().len(), 1);
    assert_eq!(memory.told().saved.last().map(Pieces::done_count), Some(10));
}

#[tokio::test]
async fn a_server_that_ignores_ranges_later_is_never_appended() {
    let setup = Setup::new().await;
    // The length and four pieces come as ranges, the others never do.
    let memory = Memory::cancels_at(1);
    let stall = Rule::new(Fault::Stall { after: 500_000 }).skip(5);
    setup.sandbox.faults().add(stall);
    setup.fetch(None, &memory).await.expect_err("cancelled");
    let saved = memory.last_saved().expect("a state");
    setup
        .sandbox
        .faults()
        .set(vec![Rule::new(Fault::IgnoreRange)]);
    setup.sandbox.clear_requests();
    let second = Memory::default();
    setup.fetch(Some(saved), &second).await.expect("fetched");
    setup.assert_same();
    // Other streams may have asked before the first answer came; only one was read to its end.
    let whole = setup
        .sandbox
        .requests()
        .iter()
        .filter(|request| request.sent == SIZE as u64)
        .count();
    assert_eq!(whole, 1);
}

#[tokio::test]
async fn a_whole_that_breaks_off_is_read_from_the_start_again() {
    let setup = Setup::new().await;
    setup.fault(Fault::IgnoreRange);
    setup.fault_times(Fault::Disconnect { after: 4_500_000 }, 1);
    let memory = Memory::default();
    let fetched = setup.fetch(None, &memory).await.expect("fetched");
    setup.assert_same();
    assert_eq!(fetched.retries, 1);
    let requests = setup.sandbox.requests();
    assert_eq!(requests.len(), 2);
    assert_eq!(requests[1].range, None);
}

#[tokio::test]
async fn a_short_part_is_completed() {
    let setup = Setup::new().await;
    let pieces = Pieces::plan(setup.blob, SIZE as u64);
    for fault in [
        Fault::ShortRange { missing: 300_000 },
        Fault::ShortBody { missing: 300_000 },
    ] {
        setup.sandbox.clear_requests();
        // The answer to the first request is a range of one byte, which can not be shorter.
        setup.fault_times(fault.clone(), 2);
        let memory = Memory::default();
        let fetched = setup.fetch(None, &memory).await.expect("fetched");
        setup.assert_same();
        assert!(fetched.retries >= 1, "{fault:?}");
        if matches!(fault, Fault::ShortRange { .. }) {
            // What came is kept: the next request begins behind it.
            let end = |start: u64| pieces.range(start / pieces.piece_size()).end;
            let rest = setup.sandbox.requests().iter().any(|request| {
                range(request).is_some_and(|(start, last)| {
                    last + 1 == end(start) && end(start) - start == 300_000
                })
            });
            assert!(rest);
        }
        setup.sandbox.faults().clear();
    }
}

#[tokio::test]
async fn parts_that_stay_short_are_an_error() {
    let setup = Setup::new().await;
    setup.fault(Fault::ShortRange { missing: 500_000 });
    let (error, attempts) = failed(&setup, &Memory::default()).await;
    assert!(
        matches!(error, aggregator::Error::TooShort { .. }),
        "{error}"
    );
    assert_eq!(attempts, 3);
}

#[tokio::test]
async fn answers_about_other_bytes_are_not_taken() {
    let setup = Setup::new().await;
    setup.fault(Fault::OtherStart { shift: 5 });
    let (error, _) = failed(&setup, &Memory::default()).await;
    assert!(
        matches!(error, aggregator::Error::OtherRange { .. }),
        "{error}"
    );
    let file = setup.file();
    assert!(file.iter().all(|&byte| byte == 0), "nothing was written");

    let setup = Setup::new().await;
    setup.fault_times(Fault::OtherTotal { total: 9_999_999 }, 1);
    let (error, _) = failed(&setup, &Memory::default()).await;
    let other = matches!(
        error,
        aggregator::Error::OtherTotal {
            expected: 9_999_999,
            got: 10_000_000
        }
    );
    assert!(other, "{error}");

    let setup = Setup::new().await;
    setup.fault(Fault::LongBody { extra: 1 });
    let (error, _) = failed(&setup, &Memory::default()).await;
    assert!(
        matches!(error, aggregator::Error::TooLong { expected: 1 }),
        "{error}"
    );
}

#[tokio::test]
async fn wrong_bytes_are_for_the_caller_to_find() {
    let setup = Setup::new().await;
    setup.fault(Fault::WrongBytes { at: 5_000_000 });
    setup
        .fetch(None, &Memory::default())
        .await
        .expect("fetched");
    let file = setup.file();
    let different: Vec<usize> = (0..SIZE).filter(|&n| file[n] != setup.bytes[n]).collect();
    assert_eq!(different, [5_000_000]);
}

#[tokio::test]
async fn a_broken_connection_goes_on_where_it_broke() {
    let setup = Setup::new().await;
    setup.fault_times(Fault::Disconnect { after: 700_001 }, 4);
    let memory = Memory::default();
    let fetched = setup.fetch(None, &memory).await.expect("fetched");
    setup.assert_same();
    // The first answer, of one byte, ends before it can break.
    assert_eq!(fetched.retries, 3);
    let told = memory.told();
    assert!(
        told.retries
            .iter()
            .all(|(attempt, of, ..)| (*attempt, *of) == (2, 3))
    );
    assert!(
        told.retries[0].2.contains("broke after"),
        "{}",
        told.retries[0].2
    );
    let pieces = Pieces::plan(setup.blob, SIZE as u64);
    let again = setup
        .sandbox
        .requests()
        .iter()
        .filter_map(range)
        .filter(|(start, _)| start % pieces.piece_size() != 0)
        .count();
    assert_eq!(again, 3, "the rest of three pieces");
}

#[tokio::test]
async fn a_connection_that_always_breaks_is_an_error() {
    let setup = Setup::new().await;
    setup.fault(Fault::Disconnect { after: 1 });
    let memory = Memory::default();
    let (error, attempts) = failed(&setup, &memory).await;
    let broke = matches!(error, aggregator::Error::Disconnected { .. });
    assert!(broke, "{error}");
    assert_eq!(attempts, 3);
    assert_eq!(error.retry(), Retry::After(None));
}

#[tokio::test]
async fn unavailable_for_a_while() {
    let setup = Setup::new().await;
    setup.fault_times(Fault::Unavailable { retry_after: None }, 2);
    let memory = Memory::default();
    let fetched = setup.fetch(None, &memory).await.expect("fetched");
    setup.assert_same();
    assert_eq!(fetched.retries, 2);
    let told = memory.told();
    let numbers: Vec<_> = told
        .retries
        .iter()
        .map(|(attempt, of, ..)| (*attempt, *of))
        .collect();
    assert_eq!(numbers, [(2, 3), (3, 3)]);
    assert!(told.retries[0].2.contains("BLOB_UNAVAILABLE"));

    setup.fault(Fault::Unavailable { retry_after: None });
    setup.sandbox.clear_requests();
    let (error, attempts) = failed(&setup, &Memory::default()).await;
    let unavailable = matches!(error, aggregator::Error::Unavailable { .. });
    assert!(unavailable, "{error}");
    assert_eq!((attempts, setup.sandbox.requests().len()), (3, 3));
}

#[tokio::test]
async fn too_many_requests_wait_as_long_as_asked() {
    let setup = Setup::new().await;
    setup.fault_times(
        Fault::TooManyRequests {
            retry_after: Some(1),
        },
        1,
    );
    let memory = Memory::default();
    let began = Instant::now();
    setup.fetch(None, &memory).await.expect("fetched");
    setup.assert_same();
    let second = Duration::from_secs(1);
    assert!(began.elapsed() >= second);
    assert_eq!(memory.told().retries[0].3, second);
}

#[tokio::test]
async fn final_answers_are_asked_for_once() {
    for code in [400, 403, 404, 416, 451] {
        let setup = Setup::new().await;
        setup.fault(Fault::Status { code });
        let memory = Memory::default();
        let (error, attempts) = failed(&setup, &memory).await;
        assert!(error.is_final(), "{error}");
        assert!(error.to_string().contains(&code.to_string()), "{error}");
        let not_found = matches!(error, aggregator::Error::NotFound(_));
        assert_eq!(not_found, code == 404);
        assert_eq!(attempts, 1);
        // A refused range may mean an empty blob, which only the whole shows.
        let asked = setup.sandbox.requests().len();
        assert_eq!(asked, if code == 416 { 2 } else { 1 }, "{code}");
        assert!(memory.told().retries.is_empty());
    }
}

#[tokio::test]
async fn a_redirect_is_not_followed() {
    let setup = Setup::new().await;
    let location = format!("{}/v1/blobs/{}", setup.sandbox.url(), setup.blob);
    setup.fault_times(Fault::Redirect { location }, 1);
    let (error, attempts) = failed(&setup, &Memory::default()).await;
    let redirect = matches!(error, aggregator::Error::Redirect { status: 307 });
    assert!(redirect, "{error}");
    assert_eq!((attempts, setup.sandbox.requests().len()), (1, 1));
}

#[tokio::test]
async fn a_stalled_connection_is_given_up() {
    let mut setup = Setup::new().await;
    setup.stall_timeout(Duration::from_millis(200));
    setup.fault_times(Fault::Stall { after: 100_000 }, 3);
    let memory = Memory::default();
    let began = Instant::now();
    let fetched = setup.fetch(None, &memory).await.expect("fetched");
    setup.assert_same();
    assert_eq!(fetched.retries, 2);
    let told = memory.told();
    assert!(told.retries[0].2.contains("no byte came for 0.2 s"));
    assert!(began.elapsed() < Duration::from_secs(10));
}

#[tokio::test]
async fn a_slow_server_is_not_given_up() {
    let mut setup = Setup::with(300_000).await;
    // The whole takes longer than the timeout, which counts only time without a byte.
    setup.stall_timeout(Duration::from_millis(400));
    setup.fault(Fault::Slow {
        bytes_per_second: 400_000,
    });
    let began = Instant::now();
    let fetched = setup
        .fetch(None, &Memory::default())
        .await
        .expect("fetched");
    setup.assert_same();
    assert_eq!(fetched.retries, 0);
    assert!(began.elapsed() > Duration::from_millis(500));
}

#[tokio::test]
async fn a_server_that_tells_no_length() {
    let mut setup = Setup::new().await;
    setup.fault(Fault::NoLength);
    setup
        .fetch(None, &Memory::default())
        .await
        .expect("fetched");
    setup.assert_same();

    // Neither ranges nor a length: one stream, from its start again when it breaks.
    setup.fault(Fault::IgnoreRange);
    setup.fault_times(Fault::Disconnect { after: 5_000_000 }, 1);
    let memory = Memory::default();
    let fetched = setup.fetch(None, &memory).await.expect("fetched");
    setup.assert_same();
    assert_eq!((fetched.retries, fetched.pieces.done_count()), (1, 10));
    let told = memory.told();
    assert_eq!(told.progress[0].1, None);
    assert_eq!(told.progress.last().map(|last| last.0), Some(SIZE as u64));

    setup.aggregator = Options::new(setup.sandbox.url())
        .max_blob(5_000_000)
        .connect()
        .expect("a client");
    let (error, _) = failed(&setup, &Memory::default()).await;
    let too_large = matches!(error, aggregator::Error::TooLarge { limit: 5_000_000 });
    assert!(too_large, "{error}");
}

#[tokio::test]
async fn a_blob_beyond_the_limit_is_refused() {
    let mut setup = Setup::new().await;
    setup.aggregator = Options::new(setup.sandbox.url())
        .max_blob(9_999_999)
        .connect()
        .expect("a client");
    let (error, attempts) = failed(&setup, &Memory::default()).await;
    let too_large = matches!(error, aggregator::Error::TooLarge { .. });
    assert!(too_large, "{error}");
    assert_eq!(attempts, 1);
}

#[tokio::test]
async fn a_server_that_is_not_there() {
    let setup = Setup::new().await;
    let address = setup.sandbox.url();
    let (blob, path) = (setup.blob, setup.path());
    let (aggregator, options) = (setup.aggregator.clone(), setup.options.clone());
    setup.sandbox.stop().await;
    let memory = Memory::default();
    let fetched = longhaul_walrus::download::fetch(
        &aggregator,
        blob,
        path,
        None,
        &options,
        &memory,
        &memory.cancel,
    )
    .await;
    let error = fetched.expect_err("nobody there").to_string();
    assert!(error.contains("refused"), "{address}: {error}");
    assert_eq!(memory.told().retries.len(), 2);
}
