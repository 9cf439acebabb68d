//! Submission beside the engine: in the caller's own transaction, by this library or by any driver with one INSERT.
#![expect(clippy::expect_used, reason = "a test")]

use std::{path::Path, time::Duration};

use longhaul::{
    Context, Engine, NewJob, Outcome,
    model::Start,
    rusqlite::Connection,
    store::{self, sqlite::submit_in},
    types::{Labels, Reason, State},
};
use tempfile::TempDir;

async fn engine(folder: &TempDir) -> Engine {
    let double = |number: i64, _: Context| async move { Ok(Outcome::Done(number * 2)) };
    Engine::open(folder.path().join("app.db"))
        .register_fn("test.double", double)
        .start()
        .await
        .expect("started")
}

fn connection(folder: &TempDir) -> Connection {
    let path: &Path = folder.path();
    Connection::open(path.join("app.db")).expect("opened")
}

fn job(number: i64) -> NewJob {
    NewJob::new("test.double", &number).expect("json")
}

#[tokio::test]
async fn a_job_is_there_if_the_callers_transaction_commits() {
    let folder = tempfile::tempdir().expect("a folder");
    let engine = engine(&folder).await;
    let mut db = connection(&folder);
    let lost = db.transaction().expect("begun");
    let id = submit_in(&lost, &job(1)).expect("submitted");
    lost.rollback().expect("rolled back");
    assert!(engine.job(None, &id).await.is_err());

    let kept = db.transaction().expect("begun");
    let id = submit_in(&kept, &job(21).label("colour", "blue").priority(7)).expect("submitted");
    kept.commit().expect("committed");
    // Nobody wakes the engine: it notices by itself.
    let job = engine.handle(None, &id).await.expect("there");
    let ended = tokio::time::timeout(Duration::from_secs(10), job.wait()).await;
    let ended = ended.expect("noticed").expect("ended");
    assert_eq!(ended.output::<i64>().expect("a number"), 42);
    assert_eq!(ended.job.priority, 7);
    assert_eq!(
        ended.job.labels,
        Labels::from([("colour".to_owned(), "blue".to_owned())])
    );
    let counts = engine.counts(None).await.expect("counts");
    assert_eq!((counts.completed, counts.pending), (1, 0));
}

#[tokio::test]
async fn any_driver_can_submit_with_one_insert() {
    let folder = tempfile::tempdir().expect("a folder");
    let engine = engine(&folder).await;
    let db = connection(&folder);
    let submit = "INSERT INTO longhaul_submit (kind, args) VALUES ('test.double', '4')";
    for _ in 0..3 {
        db.execute(submit, []).expect("inserted");
    }
    engine.wake();
    let deadline = std::time::Instant::now() + Duration::from_secs(10);
    while engine.counts(None).await.expect("counts").completed < 3 {
        assert!(std::time::Instant::now() < deadline, "they run");
        tokio::task::yield_now().await;
    }
    let named =
        "INSERT INTO longhaul_submit (kind, args, id, held) VALUES ('test.double', '4', 'mine', 1)";
    db.execute(named, []).expect("inserted");
    let mine = engine
        .job(None, &"mine".parse().expect("an id"))
        .await
        .expect("there");
    assert_eq!(mine.state(), State::Pending);
    // The engine's own submissions go on counting where these stopped.
    let own = engine.submit_job(job(5)).await.expect("submitted");
    assert!(own.seq() > mine.seq);
    own.wait().await.expect("ended");
}

#[tokio::test]
async fn what_the_engine_would_refuse_is_refused() {
    let folder = tempfile::tempdir().expect("a folder");
    let engine = engine(&folder).await;
    let db = connection(&folder);
    let unknown = submit_in(&db, &NewJob::raw("test.unknown", "1"));
    assert!(matches!(unknown, Err(store::Error::UnknownKind(kind)) if kind == "test.unknown"));
    let id = "taken".parse().expect("an id");
    let held = job(1).id(id).start(Start::Held);
    submit_in(&db, &held).expect("submitted");
    assert!(matches!(
        submit_in(&db, &held),
        Err(store::Error::IdTaken(_))
    ));
    let large = format!("\"{}\"", "x".repeat(engine.limits().args));
    for (args, id, why) in [
        ("{", "a", "the args are no JSON"),
        (large.as_str(), "b", "larger than the limit"),
        ("1", "../b", "the id is not"),
        ("1", "..", "the id is not"),
    ] {
        let insert = "INSERT INTO longhaul_submit (kind, args, id) VALUES ('test.double', ?1, ?2)";
        let error = db.execute(insert, [args, id]).expect_err("refused");
        assert!(error.to_string().contains(why), "{error}");
    }
    let insert =
        "INSERT INTO longhaul_submit (kind, args, labels) VALUES ('test.double', '1', '[1]')";
    assert!(db.execute(insert, []).is_err());
    // Each of these could be stored but not read again: one such row would stop every claim of its queue.
    for (column, value) in [
        ("priority", "99999"),
        ("priority", "1.5"),
        ("priority", "'high'"),
        ("max_attempts", "4294967296"),
        ("max_attempts", "-1"),
        ("args_version", "-1"),
        ("timeout", "-5"),
        ("attempt_timeout", "'soon'"),
        ("run_at", "9223372036854775807"),
        ("owner", "x'00'"),
        ("id", "7"),
        ("labels", "'{\"a\":1}'"),
        ("labels", "'{\"a\":\"b\",\"a\":\"c\"}'"),
        ("labels", "'{'"),
    ] {
        let insert = format!(
            "INSERT INTO longhaul_submit (kind, args, {column}) VALUES ('test.double', '1', {value})"
        );
        let error = db.execute(&insert, []).expect_err("refused").to_string();
        assert!(error.contains("longhaul: "), "{column} {value}: {error}");
    }
    assert_eq!(engine.counts(None).await.expect("counts").pending, 1);
}

#[tokio::test]
async fn a_unique_key_names_the_living_job_and_delays_are_kept() {
    let folder = tempfile::tempdir().expect("a folder");
    let engine = engine(&folder).await;
    let db = connection(&folder);
    let later = job(1)
        .unique_key("one")
        .start(Start::After(Duration::from_hours(1)));
    let first = submit_in(&db, &later).expect("submitted");
    let second = submit_in(&db, &later).expect("answered");
    assert_eq!(first, second);
    let waiting = engine.job(None, &first).await.expect("there");
    let longhaul::model::Status::Pending { reason, .. } = waiting.status else {
        panic!("pending, not {:?}", waiting.status)
    };
    assert_eq!(reason, Reason::Scheduled);
    assert_eq!(engine.counts(None).await.expect("counts").pending, 1);
    engine.cancel(None, &first).await.expect("cancelled");
    let third = submit_in(&db, &later).expect("submitted");
    assert_ne!(first, third, "the first one lives no more");
}
