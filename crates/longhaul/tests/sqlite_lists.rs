//! Lists of a table that is larger than what one answer looks at: the work is bounded, and nothing is missed.
#![expect(clippy::expect_used, reason = "a test")]

use std::time::Duration;

use longhaul::{
    Store,
    store::{
        COUNTED, Filter, Insert, Kind, Page, PageRequest, SqliteStore, Total, sqlite::Options,
    },
    types::{Labels, Reason, State, Timestamp, filter::Period},
};
use tempfile::TempDir;

/// More than two and a half times what one answer looks at.
const MANY: usize = 26_000;
const LOOKS: u64 = 10_000;

fn at(seconds: usize) -> Timestamp {
    Timestamp(1_700_000_000_000) + Duration::from_secs(seconds as u64)
}

/// Job `n` of [`MANY`], submitted a second after the one before; clocks go wrong by some minutes.
fn job(n: usize) -> Insert {
    let of = |name: &str, value: &str| Labels::from([(name.to_owned(), value.to_owned())]);
    Insert {
        id: format!("job-{n}").parse().expect("an id"),
        owner: if n.is_multiple_of(1000) {
            "anna"
        } else {
            "ben"
        }
        .to_owned(),
        kind: "test.kind".to_owned(),
        queue: "default".to_owned(),
        priority: [0, 0, 5, -5][n % 4],
        args_version: 1,
        args: "{}".to_owned(),
        labels: if n == 3 {
            of("note", "a needle")
        } else {
            of("team", "blue")
        },
        reason: Reason::New,
        run_at: Some(at(n)),
        unique_key: None,
        idempotency_key: None,
        follow_ups: Vec::new(),
        max_attempts: 3,
        attempt_timeout: None,
        timeout: None,
        created_at: at(n + 300 * (n % 3) / 2),
    }
}

struct Large {
    store: SqliteStore,
    _folder: TempDir,
}

impl Large {
    async fn new() -> Self {
        let folder = tempfile::tempdir().expect("a folder");
        let options = Options::default();
        let store = SqliteStore::open(folder.path().join("jobs.db"), &options).expect("an owner");
        let declared = store.declare(vec![Kind::new("test.kind")]).await;
        declared.expect("declared");
        for first in (0..MANY).step_by(1_000) {
            let some = (first..first + 1_000).map(job).collect();
            store.insert(some).await.expect("inserted");
        }
        Self {
            store,
            _folder: folder,
        }
    }

    async fn page(&self, filter: &Filter, request: PageRequest) -> Page {
        self.store.page(filter, &request).await.expect("a page")
    }

    async fn first(&self, filter: &Filter) -> Page {
        let request = PageRequest {
            limit: 5,
            ..PageRequest::default()
        };
        self.page(filter, request).await
    }

    async fn count(&self, filter: &Filter) -> Total {
        self.store.count(filter).await.expect("a count")
    }
}

fn numbers(page: &Page) -> Vec<usize> {
    let ids = page.jobs.iter().map(|job| job.id.as_str());
    ids.map(|id| id.trim_start_matches("job-").parse().expect("a number"))
        .collect()
}

fn text(word: &str) -> Filter {
    Filter {
        text: vec![word.to_owned()],
        ..Filter::default()
    }
}

fn owned(owner: &str, filter: Filter) -> Filter {
    Filter {
        owner: Some(owner.to_owned()),
        ..filter
    }
}

#[tokio::test]
async fn work_is_bounded_and_nothing_is_missed() {
    let large = Large::new().await;
    see_searches(&large).await;
    see_numbers(&large).await;
    see_times(&large).await;
    see_order(&large).await;
}

/// A search is given up where the page says, and goes on there.
async fn see_searches(large: &Large) {
    let needle = text("NEEDLE");
    let (mut before, mut cuts) = (None, Vec::new());
    loop {
        let request = PageRequest {
            before,
            skip: 0,
            limit: 5,
        };
        let page = large.page(&needle, request).await;
        before = page.next;
        match page.cut {
            Some(cut) => {
                assert_eq!(cut.looked_at, LOOKS);
                assert_eq!(numbers(&page), [0; 0]);
                cuts.push(cut.back_to);
            }
            None => {
                assert_eq!((numbers(&page), page.next), (vec![3], None));
                break;
            }
        }
    }
    let reached = [MANY - 10_000, MANY - 20_000].map(|n| job(n).created_at);
    assert_eq!(cuts, reached);
    // Whoever asks for all gets all.
    let found = large.store.jobs(&needle, None, 5).await.expect("jobs");
    assert_eq!(found.len(), 1);
    assert_eq!(numbers(&large.first(&text("job-77")).await), [77], "an id");
    let failed = Filter {
        states: vec![State::Failed],
        ..needle
    };
    let page = large.first(&failed).await;
    assert_eq!((page.next, page.cut), (None, None), "none has failed");
    // Ready jobs are in an index without owners.
    let annas = owned(
        "anna",
        Filter {
            states: vec![State::Pending],
            ..Filter::default()
        },
    );
    assert_eq!(
        numbers(&large.first(&annas).await),
        [25_000, 24_000, 23_000, 22_000, 21_000]
    );
}

/// Kept counts are exact; others are up to their limit.
async fn see_numbers(large: &Large) {
    let exact = |count| Total { count, exact: true };
    let least = |count| Total {
        count,
        exact: false,
    };
    let blue = |filter: Filter| Filter {
        labels: Labels::from([("team".to_owned(), "blue".to_owned())]),
        ..filter
    };
    let between = |after, before| Filter {
        created: Period {
            after: Some(at(after)),
            before: Some(at(before)),
        },
        ..Filter::default()
    };
    let all = Filter::default();
    for (filter, total) in [
        (all.clone(), exact(MANY as u64)),
        (owned("anna", all.clone()), exact(26)),
        (blue(all.clone()), least(COUNTED)),
        // Ready jobs are in an index without owners: those of others are looked at too.
        (blue(owned("anna", all.clone())), least(10)),
        (text("needle"), least(0)),
        (text("job-77"), exact(1)),
        (text("job"), least(COUNTED)),
        (between(5_000, 6_000), exact(1_000)),
        (between(900_000, 900_001), exact(0)),
    ] {
        assert_eq!(large.count(&filter).await, total, "{filter:?}");
    }
}

/// Times lead to their place, though clocks differ.
async fn see_times(large: &Large) {
    for (after, before) in [(5_000, 5_010), (0, 2), (25_990, 30_000), (13_000, 13_000)] {
        let created = Period {
            after: Some(at(after)),
            before: Some(at(before)),
        };
        let filter = Filter {
            created,
            ..Filter::default()
        };
        let mut expected: Vec<usize> = (0..MANY)
            .filter(|n| created.has(job(*n).created_at))
            .collect();
        expected.reverse();
        let found = large.store.jobs(&filter, None, MANY).await.expect("jobs");
        let page = Page {
            jobs: found,
            ..Page::default()
        };
        assert_eq!(numbers(&page), expected, "{after} to {before}");
        let request = PageRequest {
            limit: MANY,
            ..PageRequest::default()
        };
        let page = large.page(&filter, request).await;
        assert_eq!(page.cut, None, "no search");
    }
    // What has ended was submitted before.
    let ended = Filter {
        ended: Period {
            after: None,
            before: Some(at(100)),
        },
        ..Filter::default()
    };
    let page = large.first(&ended).await;
    assert_eq!((page.jobs.len(), page.cut), (0, None));
}

/// Jobs of every priority stand in the order of submission, however far down a page is.
async fn see_order(large: &Large) {
    let pending = Filter {
        states: vec![State::Pending],
        ..Filter::default()
    };
    let request = |skip| PageRequest {
        before: None,
        skip,
        limit: 6,
    };
    for skip in [0, 9_990, 25_998] {
        let page = large.page(&pending, request(skip)).await;
        let expected: Vec<usize> = (0..MANY - skip).rev().take(6).collect();
        assert_eq!(numbers(&page), expected);
        assert_eq!(page.next.is_some(), skip < 25_998);
    }
}
