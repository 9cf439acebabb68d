//! Connections with settings that are read back, and the schema brought up to date.
//!
//! Invariant: no connection is used before each of its settings was seen to have taken, and before the schema is the
//! one this program was built for.

use std::{path::Path, time::Duration};

use rusqlite::{
    Connection, OpenFlags, OptionalExtension, TransactionBehavior, types::Value, vtab::array,
};

use super::{Options, error::store_error, lock::RunLock, row, statements::Sql};
use crate::store::Error;

mod migrations {
    refinery::embed_migrations!("src/store/sqlite/migrations");
}

/// Table in which the applied migrations are noted.
const HISTORY: &str = "longhaul_schema_history";

/// How long a connection waits for another process's transaction.
const BUSY: Duration = Duration::from_secs(10);

/// Frames of the write-ahead log after which a commit copies it back: 8 MiB. A longer log saves little copying, and costs
/// syncs of its size while it grows.
const CHECKPOINT_PAGES: i64 = 2000;

/// What a connection is for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Purpose {
    /// The one that writes.
    Write,
    /// One of those that read.
    Read,
}

/// Opens a connection whose settings have taken.
pub(crate) fn connect(path: &Path, purpose: Purpose) -> Result<Connection, Error> {
    let flags = match purpose {
        Purpose::Write => OpenFlags::SQLITE_OPEN_READ_WRITE | OpenFlags::SQLITE_OPEN_CREATE,
        Purpose::Read => OpenFlags::SQLITE_OPEN_READ_WRITE,
    } | OpenFlags::SQLITE_OPEN_NO_MUTEX;
    let fail = |error: rusqlite::Error| store_error(&error, path);
    let db = Connection::open_with_flags(path, flags).map_err(fail)?;
    db.set_prepared_statement_cache_capacity(64);
    db.busy_timeout(BUSY).map_err(fail)?;
    // Read before the first setting: what is no database is refused before anything touches it.
    db.query_row("SELECT count(*) FROM sqlite_schema", [], |_| Ok(()))
        .map_err(fail)?;
    if purpose == Purpose::Write {
        array::load_module(&db).map_err(fail)?;
    }
    for (name, value) in settings(purpose) {
        set(&db, path, name, &value)?;
    }
    Ok(db)
}

/// The settings of a connection, as they read back.
pub(super) fn settings(purpose: Purpose) -> Vec<(&'static str, Value)> {
    let text = |text: &str| Value::Text(text.to_owned());
    let mut settings = vec![
        ("journal_mode", text("wal")),
        // FULL: a commit is synced before it is acknowledged.
        ("synchronous", Value::Integer(2)),
        // The store removes what belongs to a job itself, in the same transaction.
        ("foreign_keys", Value::Integer(0)),
        ("recursive_triggers", Value::Integer(0)),
        ("temp_store", Value::Integer(2)),
    ];
    match purpose {
        Purpose::Write => settings.extend([
            ("wal_autocheckpoint", Value::Integer(CHECKPOINT_PAGES)),
            ("journal_size_limit", Value::Integer(64 << 20)),
            ("cache_size", Value::Integer(-32 << 10)),
        ]),
        Purpose::Read => settings.extend([
            ("cache_size", Value::Integer(-4 << 10)),
            ("query_only", Value::Integer(1)),
        ]),
    }
    settings
}

fn set(db: &Connection, path: &Path, name: &str, value: &Value) -> Result<(), Error> {
    let fail = |error: rusqlite::Error| store_error(&error, path);
    // Some settings answer and some do not; what counts is what they read as afterwards.
    db.pragma_update_and_check(None, name, value, |_| Ok(()))
        .optional()
        .map_err(fail)?;
    let taken: Value = db
        .pragma_query_value(None, name, |row| row.get(0))
        .map_err(fail)?;
    if taken == *value {
        Ok(())
    } else {
        Err(Error::Unavailable(format!(
            "{}: the setting {name} reads {taken:?} where {value:?} is needed; use a local file system that has locks \
             and shared memory",
            path.display()
        )))
    }
}

/// Brings the schema up to date. A guest may do so only while no owner runs.
pub(super) fn ensure_schema(
    db: &mut Connection,
    path: &Path,
    lock: Option<&RunLock>,
) -> Result<(), Error> {
    let found = version(db, path)?;
    let known = newest();
    if found > known {
        return Err(Error::Schema(format!(
            "{} was made by a newer longhaul (schema {found}, this one knows {known}); use a newer longhaul",
            path.display()
        )));
    }
    if found == known {
        return Ok(());
    }
    let _held;
    if lock.is_none() {
        _held = RunLock::take(path).map_err(|error| match error {
            Error::Locked(_) => Error::Schema(format!(
                "{} has schema {found} and is in use by an older longhaul; stop it, so that the schema can become {known}",
                path.display()
            )),
            other => other,
        })?;
    }
    migrate(db, path)
}

/// Writes the settings that the submit trigger must know, where they differ.
pub(super) fn write_settings(
    db: &mut Connection,
    path: &Path,
    options: &Options,
) -> Result<(), Error> {
    let args = i64::try_from(options.args).unwrap_or(i64::MAX);
    let settings = [
        ("args_limit", args),
        ("queue_depth", row::signed(options.queue_depth)),
    ];
    let mut write = || {
        let transaction = db.transaction_with_behavior(TransactionBehavior::Immediate)?;
        for (name, value) in settings {
            transaction.execute(Sql::SettingWrite.text(), (name, value))?;
        }
        transaction.commit()
    };
    write().map_err(|error| store_error(&error, path))
}

/// Applies the missing migrations, each in a transaction.
pub(super) fn migrate(db: &mut Connection, path: &Path) -> Result<(), Error> {
    let mut runner = migrations::migrations::runner();
    runner.set_migration_table_name(HISTORY);
    runner.run(db).map(|_| ()).map_err(|error| {
        let cause = std::error::Error::source(&error)
            .and_then(|cause| cause.downcast_ref::<rusqlite::Error>());
        match cause {
            Some(cause) => store_error(cause, path),
            None => Error::Schema(format!(
                "{}: the schema can not be brought up to date: {error}",
                path.display()
            )),
        }
    })
}

/// Version of the newest migration that this program knows.
pub(super) fn newest() -> i64 {
    let runner = migrations::migrations::runner();
    runner
        .get_migrations()
        .iter()
        .map(|migration| i64::from(migration.version()))
        .max()
        .unwrap_or(0)
}

/// Version of the newest migration in the file; 0 when it has none of our tables.
pub(super) fn version(db: &Connection, path: &Path) -> Result<i64, Error> {
    let fail = |error: rusqlite::Error| store_error(&error, path);
    let known = db.table_exists(None, HISTORY).map_err(fail)?;
    if !known {
        return Ok(0);
    }
    let found: Option<i64> = db
        .query_row(&format!("SELECT max(version) FROM {HISTORY}"), [], |row| {
            row.get(0)
        })
        .map_err(fail)?;
    Ok(found.unwrap_or(0))
}

#[cfg(test)]
mod tests {
    use refinery::Target;

    use super::*;

    #[test]
    fn an_older_schema_is_brought_up_to_date_with_its_rows() {
        let folder = tempfile::tempdir().expect("a folder");
        let path = folder.path().join("old.db");
        let mut db = connect(&path, Purpose::Write).expect("a connection");
        let mut first = migrations::migrations::runner().set_target(Target::Version(1));
        first.set_migration_table_name(HISTORY);
        first.run(&mut db).expect("the first schema");
        let kept = "INSERT INTO longhaul_names (name) VALUES ('kept')";
        db.execute(kept, []).expect("a row");
        assert_eq!(version(&db, &path).expect("a version"), 1);

        let lock = RunLock::take(&path).expect("the lock");
        let refused = ensure_schema(&mut db, &path, None).expect_err("an owner runs");
        assert!(matches!(&refused, Error::Schema(text) if text.contains("older longhaul")));
        ensure_schema(&mut db, &path, Some(&lock)).expect("migrated");
        assert_eq!(version(&db, &path).expect("a version"), newest());
        let name: String = db
            .query_row("SELECT name FROM longhaul_names", [], |row| row.get(0))
            .expect("the row");
        assert_eq!(name, "kept");
    }

    #[test]
    fn settings_take_on_every_connection() {
        let folder = tempfile::tempdir().expect("a folder");
        let path = folder.path().join("jobs.db");
        for purpose in [Purpose::Write, Purpose::Read] {
            let db = connect(&path, purpose).expect("a connection");
            for (name, wanted) in settings(purpose) {
                let taken: Value = db
                    .pragma_query_value(None, name, |row| row.get(0))
                    .expect("a setting");
                assert_eq!(taken, wanted, "{name}");
            }
            assert!(!db.is_readonly("main").expect("main"));
            let misspelt = set(&db, &path, "synchronus", &Value::Integer(2));
            assert!(
                misspelt.is_err(),
                "a setting that SQLite does not know is no setting"
            );
        }
    }
}
