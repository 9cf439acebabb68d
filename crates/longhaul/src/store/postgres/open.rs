//! Connections, and the schema brought up to date.
//!
//! Invariant: no connection is used before the schema is the one this program was built for; one program at a time changes it.

use deadpool_postgres::{Manager, ManagerConfig, Pool, RecyclingMethod, Runtime};
use std::time::Duration;
use tokio_postgres::{Client, Config};
use tokio_postgres_rustls::MakeRustlsConnect;

use super::{Options, error::store_error, tls::Trust};
use crate::store::Error;

mod migrations {
    refinery::embed_migrations!("src/store/postgres/migrations");
}

/// Table in which the applied migrations are noted.
const HISTORY: &str = "schema_history";

/// The advisory lock of who changes the schema.
const LOCK: i64 = 0x6c6f_6e67_6861_756c;

/// The oldest server that has all that is used: 13.
const OLDEST: i32 = 130_000;

/// How long a connection is waited for.
const PATIENCE: Duration = Duration::from_secs(30);

/// How long the database's machine may be silent.
const SILENCE: Duration = Duration::from_secs(10);

/// What every connection asks for. Statements are planned once, and not compiled. Each looks up few rows by indexes, however
/// large the tables: what the planner knows of arrays and limits of parameters, or of tables that were empty when it looked,
/// would have it read and join whole tables. A process that is frozen in the middle of a transaction does not keep its locks.
const SETTINGS: &str = "-c jit=off -c plan_cache_mode=force_generic_plan -c enable_seqscan=off \
    -c enable_bitmapscan=off -c enable_hashjoin=off -c enable_mergejoin=off -c synchronous_commit=on \
    -c client_min_messages=warning -c idle_in_transaction_session_timeout=10s";

/// Where the database is, and how one speaks to it.
#[derive(Clone)]
pub(crate) struct Address {
    pub(crate) config: Config,
    pub(crate) tls: MakeRustlsConnect,
}

/// The address that a URL, or the words of libpq, stand for.
pub(crate) fn address(url: &str) -> Result<Address, Error> {
    let (trust, url) = Trust::of(url);
    let config = config(&url)?;
    let tls = trust.connector(config.get_ssl_mode())?;
    Ok(Address { config, tls })
}

/// Whether it has a password in it, whatever else of it is wrong.
pub(super) fn has_password(url: &str) -> bool {
    let (_, url) = Trust::of(url);
    config(&url).is_ok_and(|config| config.get_password().is_some())
}

fn config(url: &str) -> Result<Config, Error> {
    let mut config: Config = url.parse().map_err(|error| {
        Error::Unavailable(format!(
            "this is no address of a PostgreSQL database ({error}); give postgres://user@host:5432/database"
        ))
    })?;
    if config.get_application_name().is_none() {
        config.application_name("longhaul");
    }
    if config.get_connect_timeout().is_none() {
        config.connect_timeout(Duration::from_secs(10));
    }
    // A peer that is gone without a word is noticed before leases end.
    if config.get_tcp_user_timeout().is_none() {
        config.tcp_user_timeout(SILENCE);
        config.keepalives_idle(SILENCE);
    }
    let own = config.get_options().unwrap_or_default();
    let settings = format!("{SETTINGS} {own}");
    config.options(settings.trim());
    Ok(config)
}

/// The connections of a store.
pub(super) fn pool(address: &Address, options: &Options) -> Result<Pool, Error> {
    let recycling = ManagerConfig {
        recycling_method: RecyclingMethod::Fast,
    };
    let manager = Manager::from_config(address.config.clone(), address.tls.clone(), recycling);
    Pool::builder(manager)
        .max_size(options.connections.max(2))
        .runtime(Runtime::Tokio1)
        .wait_timeout(Some(PATIENCE))
        .create_timeout(Some(PATIENCE))
        .build()
        .map_err(|error| Error::Internal(error.to_string()))
}

/// Brings the schema up to date.
pub(crate) async fn ensure_schema(address: &Address) -> Result<(), Error> {
    let (mut client, connection) = address
        .config
        .connect(address.tls.clone())
        .await
        .map_err(|error| store_error(&error))?;
    let driver = tokio::spawn(connection);
    let done = migrate(&mut client).await;
    drop(client);
    // It ends as its client has gone; what it ends with was said by the client's statements.
    let _ = driver.await;
    done
}

async fn migrate(client: &mut Client) -> Result<(), Error> {
    let fail = |error: tokio_postgres::Error| store_error(&error);
    let version: String = client
        .query_one("SHOW server_version_num", &[])
        .await
        .map_err(fail)?
        .get(0);
    if version.parse().is_ok_and(|version: i32| version < OLDEST) {
        return Err(Error::Unavailable(format!(
            "this PostgreSQL is too old (server_version_num {version}); 13 or newer is needed"
        )));
    }
    client
        .execute("SELECT pg_advisory_lock($1)", &[&LOCK])
        .await
        .map_err(fail)?;
    client
        .batch_execute("CREATE SCHEMA IF NOT EXISTS longhaul; SET search_path TO longhaul")
        .await
        .map_err(fail)?;
    let mut runner = migrations::migrations::runner();
    runner.set_migration_table_name(HISTORY);
    let newest = runner
        .get_migrations()
        .iter()
        .map(refinery::Migration::version)
        .max();
    let applied = client.query_one(sql!("history"), &[]).await.map_err(fail)?;
    let found = if applied.get(0) {
        let last = runner.get_last_applied_migration_async(client).await;
        let last = last.map_err(|error| Error::Schema(error.to_string()))?;
        last.map(|last| last.version())
    } else {
        None
    };
    if found > newest {
        return Err(Error::Schema(format!(
            "this database was made by a newer longhaul (schema {}, this one knows {}); use a newer longhaul",
            found.unwrap_or_default(),
            newest.unwrap_or_default()
        )));
    }
    runner.run_async(client).await.map_err(|error| {
        Error::Schema(format!("the schema can not be brought up to date: {error}"))
    })?;
    Ok(())
}
