//! Text from outside comes back as it was, whatever it looks like, and reaches nothing but its own row.

use longhaul_types::{ItemState, JobError, Labels, Progress, State};
use serde_json::{Value, json};

use super::{
    all_jobs,
    lab::{Lab, artifact, at, fail, held, id, item, job, kind, lines, secs, snapshot, worker},
};
use crate::{
    model::WorkerId,
    store::{ClaimRequest, End, Filter, Insert, ItemWrite, Request, Store, Write},
};

/// Text that a careless store breaks on.
const HARD: &[&str] = &[
    "",
    " ",
    "'",
    "\"",
    "''; DROP TABLE longhaul_jobs; --",
    "\"; DELETE FROM longhaul_jobs; --",
    "x' OR '1'='1",
    "?1 :name @name $name",
    "%_*[a-z]{}()\\",
    "$.a[0].\"b\"",
    "null",
    "0",
    "1e3",
    "line\nline\r\n\ttab",
    "a\0b",
    "\0",
    "\u{1b}[31mred\u{7}",
    "ÄÖÜ äöü ß",
    "ä (composed) a\u{308} (not)",
    "日本語 العربية हिन्दी",
    "👩‍👩‍👧‍👦 🦀",
    "\u{202e}right to left",
    "\u{feff}mark",
    "\u{10ffff}",
    "trailing ",
];

/// Kinds, queues, owners, keys and labels.
pub async fn names_come_back(store: &dyn Store) {
    let lab = Lab::new(store).await;
    for (n, text) in HARD.iter().enumerate() {
        let kind = kind(&format!("k{text}"));
        store.declare(vec![kind.clone()]).await.expect("declare");
        let kinds = store.kinds().await.expect("kinds");
        assert!(kinds.contains(&kind), "{text:?}");
        let insert = Insert {
            owner: (*text).to_owned(),
            kind: kind.name.clone(),
            queue: format!("q{text}"),
            labels: Labels::from([(format!("l{text}"), (*text).to_owned())]),
            unique_key: Some((*text).to_owned()),
            idempotency_key: Some((*text).to_owned()),
            ..job(&format!("a-{n}"))
        };
        let seq = lab.submit(insert.clone()).await;
        let found = lab.get(seq).await;
        assert_eq!(found.owner, insert.owner);
        assert_eq!((&found.kind, &found.queue), (&insert.kind, &insert.queue));
        assert_eq!(
            (&found.labels, &found.unique_key),
            (&insert.labels, &insert.unique_key)
        );
        let again = Insert {
            id: id("again"),
            ..insert
        };
        let by_idempotency = Insert {
            unique_key: None,
            ..again.clone()
        };
        let by_unique = Insert {
            idempotency_key: None,
            ..again
        };
        for one in lab.insert(vec![by_idempotency, by_unique]).await {
            assert_eq!((one.seq, one.new), (seq, false), "{text:?}");
        }
        see_found(&lab, &found).await;
    }
    assert_eq!(all_jobs(store).await.len(), HARD.len());
}

/// Sees that a job, and no other, is found, counted and claimed by its names.
async fn see_found(lab: &Lab<'_>, job: &crate::model::Job) {
    let all = Filter::default;
    let filters = [
        Filter {
            owner: Some(job.owner.clone()),
            ..all()
        },
        Filter {
            kinds: vec![job.kind.clone()],
            ..all()
        },
        Filter {
            queues: vec![job.queue.clone()],
            ..all()
        },
        Filter {
            labels: job.labels.clone(),
            ..all()
        },
    ];
    for filter in filters {
        assert_eq!(lab.ids(&filter).await, [job.id.to_string()], "{filter:?}");
    }
    let counts = lab.store.counts(Some(&job.owner)).await.expect("counts");
    let place = (job.kind.clone(), job.queue.clone());
    assert_eq!(counts[&place].of(State::Pending), 1);
    let request = ClaimRequest {
        worker: lab.worker.clone(),
        now: at(0),
        slots: vec![(job.queue.clone(), 9)],
        kinds: vec![job.kind.clone()],
    };
    let claimed = lab.store.claim(request).await.expect("claim");
    assert_eq!(claimed.len(), 1);
    assert_eq!(claimed[0].job.seq, job.seq);
}

/// Args, results and checkpoints: the text of args and checkpoints as it was, values as they were.
pub async fn json_comes_back(store: &dyn Store) {
    let lab = Lab::new(store).await;
    let texts: Vec<Value> = HARD.iter().map(|text| json!(text)).collect();
    let object: Value = HARD
        .iter()
        .map(|text| ((*text).to_owned(), json!(text)))
        .collect();
    let deep = (0..100).fold(json!(1), |inner, _| json!([inner]));
    let numbers = json!([
        0,
        -1,
        i64::MIN,
        u64::MAX,
        0.5,
        -1.25e-7,
        1e300,
        true,
        false,
        null
    ]);
    for (n, value) in [json!(texts), object, deep, numbers, Value::Null]
        .into_iter()
        .enumerate()
    {
        let text = format!("  {value} \n");
        let name = format!("a-{n}");
        let insert = Insert {
            args: text.clone(),
            ..job(&name)
        };
        let seq = lab.submit(insert).await;
        let claimed = lab.claim(&lab.worker, at(0)).await;
        assert_eq!(claimed[0].args, text);
        let end = End::Retry {
            at: at(2),
            error: super::lab::error("again"),
        };
        lab.done(Write {
            checkpoint: Some(text.clone()),
            end: Some(end),
            ..Write::new(held(&claimed[0]), at(1))
        })
        .await;
        let claimed = lab.claim(&lab.worker, at(2)).await;
        assert_eq!(claimed[0].checkpoint.as_ref(), Some(&text));
        lab.end(held(&claimed[0]), End::Complete { result: Some(text) })
            .await;
        let detail = lab.detail(seq).await;
        assert_eq!(
            (&detail.args, detail.result.as_ref()),
            (&value, Some(&value))
        );
    }
}

/// Items, log lines, artifacts, errors and progress.
pub async fn what_runs_write_comes_back(store: &dyn Store) {
    let lab = Lab::new(store).await;
    let claim = lab.run("a").await;
    let hard_error = |text: &str| JobError {
        code: text.to_owned(),
        message: text.to_owned(),
    };
    let items: Vec<ItemWrite> = HARD
        .iter()
        .map(|text| ItemWrite {
            name: (*text).to_owned(),
            error: Some(hard_error(text)),
            result: Some(json!({ "of": text }).to_string()),
            ..item("", ItemState::Completed)
        })
        .collect();
    let artifacts: Vec<_> = HARD
        .iter()
        .map(|text| artifact(text, &format!("x/{text}")))
        .collect();
    let progress = Progress {
        unit: Some(HARD.concat()),
        current_task: Some(HARD.concat()),
        metadata: HARD
            .iter()
            .map(|text| ((*text).to_owned(), json!(text)))
            .collect(),
        ..Progress::default()
    };
    for _ in 0..2 {
        lab.done(Write {
            items: items.clone(),
            log: lines(HARD),
            artifacts: artifacts.clone(),
            progress: Some(progress.clone()),
            ..Write::new(claim, at(1))
        })
        .await;
    }
    let found = snapshot(store, claim.job).await;
    assert_eq!(
        found.items.len(),
        HARD.len(),
        "the second time changes the same"
    );
    for ((item, written), position) in found.items.iter().zip(&items).zip(0..) {
        assert_eq!((&item.name, item.position), (&written.name, position));
        assert_eq!(item.error, written.error);
        assert_eq!(item.result, Some(json!({ "of": item.name })));
    }
    let log: Vec<&str> = found.log.iter().map(|line| line.text.as_str()).collect();
    assert_eq!(log[log.len() - HARD.len()..], *HARD);
    let mut sorted = artifacts.clone();
    sorted.sort_by(|one, other| one.artifact.name.cmp(&other.artifact.name));
    assert_eq!(found.artifacts, sorted);
    assert_eq!(lab.get(claim.job).await.progress, progress);
    let places = artifacts.iter().map(|stored| stored.location.clone());
    let orphans = store.orphans(places.collect()).await.expect("orphans");
    assert_eq!(orphans, [""; 0]);
    let end = End::Fail {
        error: hard_error(&HARD.concat()),
    };
    lab.end(claim, end).await;
    let found = snapshot(store, claim.job).await;
    assert_eq!(found.attempts[0].error, Some(hard_error(&HARD.concat())));
    assert_eq!(
        lab.get(claim.job).await.error,
        Some(hard_error(&HARD.concat()))
    );
}

/// Every character that an id may have, and its case, counts.
pub async fn ids_come_back(store: &dyn Store) {
    let lab = Lab::new(store).await;
    let long = "x".repeat(longhaul_types::id::MAX_ID);
    let ids = [
        "a",
        "A",
        "-",
        "a-_.:@~+=Z9",
        "1",
        "01",
        "null",
        "...",
        &long,
    ];
    for name in ids {
        let seq = lab.submit(job(name)).await;
        assert_eq!(lab.get(seq).await.id, id(name));
        let found = store.job(Some(""), &id(name)).await.expect("job");
        assert_eq!(found.map(|job| job.seq), Some(seq));
    }
    lab.allowed(Request::Cancel, "A", at(1)).await;
    let found = store.job(None, &id("a")).await.expect("job");
    assert_eq!(found.map(|job| job.state()), Some(State::Pending));
}

/// Names of workers.
pub async fn workers_come_back(store: &dyn Store) {
    let lab = Lab::new(store).await;
    let workers: Vec<WorkerId> = HARD
        .iter()
        .map(|text| worker(&format!("w{text}")))
        .collect();
    for worker in &workers {
        let joined = store.join(worker, Some(secs(30)), at(0)).await;
        joined.expect("join");
    }
    for (n, worker) in workers.iter().enumerate() {
        let seq = lab.submit(job(&format!("a-{n}"))).await;
        let claimed = lab.claim(worker, at(0)).await;
        assert_eq!((claimed.len(), claimed[0].job.seq), (1, seq), "{worker:?}");
        lab.end(held(&claimed[0]), fail()).await;
        let attempts = store.attempts(seq).await.expect("attempts");
        assert_eq!(attempts[0].worker, *worker);
    }
}

/// Times before 1970, and the earliest and latest that a schedule can name.
pub async fn times_come_back(store: &dyn Store) {
    let lab = Lab::new(store).await;
    for (n, millis) in [0, -1, -62_135_596_800_000, 253_402_300_799_999]
        .into_iter()
        .enumerate()
    {
        let time = longhaul_types::Timestamp(millis);
        let insert = Insert {
            run_at: Some(time),
            created_at: time,
            ..job(&format!("a-{n}"))
        };
        let seq = lab.submit(insert).await;
        let found = lab.get(seq).await;
        assert_eq!(found.created_at, time);
        let waits = crate::model::Status::Pending {
            reason: longhaul_types::Reason::New,
            run_at: Some(time),
            worker: None,
        };
        assert_eq!(found.status, waits);
    }
}
