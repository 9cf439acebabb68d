//! The store in a PostgreSQL database behaves as every store must.

#[path = "postgres/server.rs"]
#[allow(dead_code, reason = "each of those who start one uses a part")]
mod server;

use std::ops::Deref;

use longhaul::{
    Store,
    model::Limits,
    store::{
        PostgresStore,
        postgres::{LeaseClock, Options},
    },
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
