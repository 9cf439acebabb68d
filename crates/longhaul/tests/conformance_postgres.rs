//! The store in a PostgreSQL database behaves as every store must.

#[path = "postgres/server.rs"]
#[allow(dead_code, reason = "each of those who start one uses a part")]
mod server;

use std::{ops::Deref, time::Duration};

use longhaul::{
    Store,
    model::Limits,
    store::{
        Insert, Kind, PostgresStore,
        postgres::{LeaseClock, Options},
    },
    types::{Labels, Reason, Timestamp},
};

/// A store whose database lives as long as it does.
struct Kept(PostgresStore, server::Server);

impl Deref for Kept {
    type Target = dyn Store;

    fn deref(&self) -> &Self::Target {
        &self.0
    }
}

async fn make(limits: Limits) -> Kept {
    let server = server::Server::start();
    let options = Options {
        lease_clock: LeaseClock::Caller,
        ..Options::with_limits(&limits)
    };
    let store = PostgresStore::connect(server.url(), &options).await;
    Kept(store.expect("a store"), server)
}

longhaul::conformance!(make);

#[tokio::test]
async fn every_statement_is_understood() {
    let kept = make(longhaul::testing::conformance::limits()).await;
    let connected = tokio_postgres::connect(kept.1.url(), tokio_postgres::NoTls).await;
    let (client, connection) = connected.expect("a connection");
    let driver = tokio::spawn(connection);
    let folder = concat!(env!("CARGO_MANIFEST_DIR"), "/src/store/postgres/sql");
    for file in std::fs::read_dir(folder).expect("the statements") {
        let path = file.expect("a file").path();
        let text = std::fs::read_to_string(&path).expect("a statement");
        let prepared = client.prepare(&text).await;
        assert!(prepared.is_ok(), "{}: {prepared:?}", path.display());
    }
    drop(client);
    driver.await.expect("no panic").expect("a clean end");
}

fn job(number: u32) -> Insert {
    Insert {
        id: format!("job-{number}").parse().expect("an id"),
        owner: String::new(),
        kind: "k".to_owned(),
        queue: "default".to_owned(),
        priority: 0,
        args_version: 1,
        args: "{}".to_owned(),
        labels: Labels::new(),
        reason: Reason::New,
        run_at: None,
        unique_key: None,
        idempotency_key: None,
        max_attempts: 1,
        attempt_timeout: None,
        timeout: None,
        follow_ups: Vec::new(),
        created_at: Timestamp(0),
    }
}

/// What one process does wakes another before its own look does: a look finds both kinds of news at once.
#[tokio::test]
async fn news_come_before_the_look_behind() {
    let kept = make(longhaul::testing::conformance::limits()).await;
    kept.declare(vec![Kind::new("k")]).await.expect("a kind");
    let other = PostgresStore::connect(kept.1.url(), &Options::default()).await;
    let other = other.expect("another store");
    let (mut due, mut changed) = (other.due(), other.changed());
    let mut alone = false;
    for number in 0..20 {
        tokio::time::sleep(Duration::from_millis(300)).await;
        due.mark_unchanged();
        changed.mark_unchanged();
        kept.insert(vec![job(number)]).await.expect("inserted");
        due.changed().await.expect("news");
        tokio::time::sleep(Duration::from_millis(50)).await;
        if changed.has_changed().expect("it lives") {
            continue;
        }
        alone = true;
        // What else happens is told by itself too.
        kept.pause("default", Timestamp(0)).await.expect("paused");
        changed.changed().await.expect("news");
        if due.has_changed().is_ok_and(|due| !due) {
            return;
        }
    }
    panic!("every change was found by looking; a job alone: {alone}");
}
