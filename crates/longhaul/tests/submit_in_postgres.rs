//! Submission beside the engine in PostgreSQL: in the caller's own transaction, by this library or by any client with one SELECT.
#![expect(clippy::expect_used, reason = "a test")]

#[path = "postgres/server.rs"]
#[allow(dead_code, reason = "each of those who start one uses a part")]
mod server;

use std::{sync::Arc, time::Duration};

use longhaul::{
    Context, Engine, NewJob, Outcome,
    model::{Limits, Start, Status},
    store::{
        self, PostgresStore,
        postgres::{Options, submit_in},
    },
    tokio_postgres::{self, Client, NoTls},
    types::{Labels, Reason, State},
};

/// An engine that doubles numbers, and a client of its own beside it.
struct Beside {
    engine: Engine,
    db: Client,
    server: server::Server,
}

async fn client(server: &server::Server, user: &str) -> Client {
    let url = server.url().replace("user=longhaul", user);
    let (db, connection) = tokio_postgres::connect(&url, NoTls)
        .await
        .expect("connected");
    tokio::spawn(connection);
    db
}

async fn beside(limits: Limits) -> Beside {
    let server = server::Server::start();
    let store = PostgresStore::connect(server.url(), &Options::with_limits(&limits)).await;
    let double = |number: i64, _: Context| async move { Ok(Outcome::Done(number * 2)) };
    let engine = Engine::on(Arc::new(store.expect("a store")))
        .limits(limits)
        .lease(Duration::from_secs(30))
        .register_fn("test.double", double)
        .start()
        .await
        .expect("started");
    let db = client(&server, "user=longhaul").await;
    Beside { engine, db, server }
}

fn job(number: i64) -> NewJob {
    NewJob::new("test.double", &number).expect("json")
}

/// What the database says to a submission with these further arguments.
async fn said(db: &Client, more: &str) -> String {
    let call = format!("SELECT longhaul.submit('test.double', {more})");
    let error = db.query_one(&call, &[]).await.expect_err("refused");
    let error = error.as_db_error().expect("said by the database");
    error.message().to_owned()
}

#[tokio::test]
async fn a_job_is_there_if_the_callers_transaction_commits() {
    let mut beside = beside(Limits::default()).await;
    let engine = beside.engine.clone();
    let lost = beside.db.transaction().await.expect("begun");
    let id = submit_in(&lost, &job(1)).await.expect("submitted");
    lost.rollback().await.expect("rolled back");
    assert!(engine.job(None, &id).await.is_err());

    let kept = beside.db.transaction().await.expect("begun");
    let new = job(21).label("colour", "blue").priority(7);
    let id = submit_in(&kept, &new).await.expect("submitted");
    assert!(engine.job(None, &id).await.is_err(), "not yet committed");
    kept.commit().await.expect("committed");
    let job = engine.handle(None, &id).await.expect("there");
    let ended = tokio::time::timeout(Duration::from_secs(20), job.wait()).await;
    let ended = ended.expect("noticed").expect("ended");
    assert_eq!(ended.output::<i64>().expect("a number"), 42);
    assert_eq!(ended.job.priority, 7);
    let labels = Labels::from([("colour".to_owned(), "blue".to_owned())]);
    assert_eq!(ended.job.labels, labels);
    let counts = engine.counts(None).await.expect("counts");
    assert_eq!((counts.completed, counts.pending), (1, 0));
}

#[tokio::test]
async fn any_client_can_submit_with_one_select() {
    let beside = beside(Limits::default()).await;
    let engine = beside.engine.clone();
    // Who may use the schema, and nothing of it, may submit.
    let grant = "CREATE ROLE app LOGIN; GRANT USAGE ON SCHEMA longhaul TO app";
    beside.db.batch_execute(grant).await.expect("granted");
    let app = client(&beside.server, "user=app").await;
    assert!(app.query("SELECT * FROM longhaul.jobs", &[]).await.is_err());
    for _ in 0..3 {
        let submit = "SELECT longhaul.submit('test.double', '4')";
        app.query_one(submit, &[]).await.expect("submitted");
    }
    let deadline = std::time::Instant::now() + Duration::from_secs(20);
    while engine.counts(None).await.expect("counts").completed < 3 {
        assert!(std::time::Instant::now() < deadline, "they run");
        tokio::time::sleep(Duration::from_millis(10)).await;
    }
    let named = "SELECT longhaul.submit('test.double', '4', id => 'mine', held => true, owner => 'me', queue => 'slow', \
        labels => '{\"a\": \"b\"}', timeout => '1 hour')";
    let id: String = app.query_one(named, &[]).await.expect("submitted").get(0);
    assert_eq!(id, "mine");
    let id = id.parse().expect("an id");
    let mine = engine.job(Some("me"), &id).await.expect("there");
    assert_eq!(mine.state(), State::Pending);
    assert_eq!(mine.queue, "slow");
    assert_eq!(mine.timeout, Some(Duration::from_hours(1)));
    assert_eq!(mine.labels.len(), 1);
    // What it counted is added to the rest, and stays right.
    for _ in 0..2 {
        let counts = engine.counts(None).await.expect("counts");
        assert_eq!((counts.completed, counts.pending), (3, 1));
        let now = longhaul::types::Timestamp::now();
        let due = engine.store().sweepable(now, 1).await;
        assert!(due.expect("asked").is_empty());
    }
}

#[tokio::test]
async fn what_the_engine_would_refuse_is_refused() {
    let limits = Limits {
        queue_depth: 2,
        args: 1000,
        ..Limits::default()
    };
    let beside = beside(limits).await;
    let db = &beside.db;
    let unknown = submit_in(db, &NewJob::raw("test.unknown", "1")).await;
    assert!(matches!(unknown, Err(store::Error::UnknownKind(kind)) if kind == "test.unknown"));
    let held = job(1)
        .id("taken".parse().expect("an id"))
        .start(Start::Held);
    submit_in(db, &held).await.expect("submitted");
    let again = submit_in(db, &held).await;
    assert!(matches!(again, Err(store::Error::IdTaken(_))), "{again:?}");
    for (more, why) in [
        ("'{'", "invalid input syntax for type json"),
        ("NULL", "the args are missing"),
        ("to_json(repeat('x', 1000))", "larger than 1000 bytes"),
        ("'1', id => '../b'", "the id is not"),
        ("'1', id => '..'", "the id is not"),
        ("'1', priority => 99999", "priority is"),
        ("'1', max_attempts => 0", "max_attempts is"),
        ("'1', args_version => -1", "args_version at least"),
        ("'1', timeout => '-1 s'", "timeout is less than nothing"),
        ("'1', attempt_timeout => '99999 years'", "too long"),
        ("'1', run_at => '1960-01-01'", "run_at is less"),
        ("'1', owner => repeat('x', 257)", "at most 256 bytes"),
        ("'1', owner => NULL", "at most 256 bytes"),
        ("'1', queue => ''", "are texts"),
        ("'1', labels => '[1]'", "the labels are no JSON object"),
        ("'1', labels => '{\"a\": 1}'", "the labels are not"),
    ] {
        let said = said(db, more).await;
        assert!(said.contains(why), "{more}: {said}");
    }
    submit_in(db, &job(1).start(Start::Held))
        .await
        .expect("the last that there is room for");
    let full = submit_in(db, &job(1)).await;
    assert!(
        matches!(full, Err(store::Error::QueueFull { limit: 2, .. })),
        "{full:?}"
    );
    let counts = beside.engine.counts(None).await.expect("counts");
    assert_eq!(counts.pending, 2);
}

#[tokio::test]
async fn a_unique_key_names_the_living_job_and_delays_are_kept() {
    let beside = beside(Limits::default()).await;
    let (engine, db) = (&beside.engine, &beside.db);
    let later = job(1)
        .unique_key("one")
        .start(Start::After(Duration::from_hours(1)));
    let first = submit_in(db, &later).await.expect("submitted");
    let second = submit_in(db, &later).await.expect("answered");
    assert_eq!(first, second);
    let waiting = engine.job(None, &first).await.expect("there");
    let Status::Pending { reason, .. } = waiting.status else {
        panic!("pending, not {:?}", waiting.status)
    };
    assert_eq!(reason, Reason::Scheduled);
    assert_eq!(engine.counts(None).await.expect("counts").pending, 1);
    // Two who submit at once: whoever comes second gets what the first has committed.
    let mut other = client(&beside.server, "user=longhaul").await;
    let one = later.clone().unique_key("two");
    let begun = other.transaction().await.expect("begun");
    let held = submit_in(&begun, &one).await.expect("submitted");
    let (answered, committed) = tokio::join!(submit_in(db, &one), async {
        tokio::time::sleep(Duration::from_millis(200)).await;
        begun.commit().await
    });
    committed.expect("committed");
    assert_eq!(answered.expect("answered"), held);
    engine.cancel(None, &first).await.expect("cancelled");
    let third = submit_in(db, &later).await.expect("submitted");
    assert_ne!(first, third, "the first one lives no more");
}
