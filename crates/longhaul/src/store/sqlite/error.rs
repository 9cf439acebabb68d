//! What the database answers with, in the words of the store.

use std::path::Path;

use rusqlite::{Error as Sqlite, ErrorCode, ffi};

use crate::store::Error;

/// Why a command could not be done.
#[derive(Debug)]
pub(super) enum Fault {
    /// It asks for what is not allowed: it alone is undone, the others of its commit go on.
    Refused(Error),
    /// The database failed.
    Sqlite(Sqlite),
}

impl From<Sqlite> for Fault {
    fn from(error: Sqlite) -> Self {
        Self::Sqlite(error)
    }
}

impl From<Error> for Fault {
    fn from(error: Error) -> Self {
        Self::Refused(error)
    }
}

/// The store's error for an error of the database in the file at `path`.
pub(crate) fn store_error(error: &Sqlite, path: &Path) -> Error {
    let shown = path.display();
    match error.sqlite_error_code() {
        Some(ErrorCode::DiskFull) => Error::Full(format!("{shown} can not grow")),
        Some(ErrorCode::NotADatabase) => Error::Corrupt(format!(
            "{shown} is no SQLite database; it was left as it is. Give another path, or move the file away"
        )),
        Some(ErrorCode::DatabaseCorrupt) => Error::Corrupt(format!(
            "{shown} is damaged ({error}); it was left as it is. Stop what uses it, keep a copy, and restore a backup \
             or run `sqlite3 {shown} .recover`"
        )),
        Some(ErrorCode::ReadOnly | ErrorCode::PermissionDenied) => Error::Unavailable(format!(
            "{shown} can not be written: {error}; check the permissions of the file and its folder"
        )),
        Some(ErrorCode::CannotOpen) => Error::Unavailable(format!(
            "{shown} can not be opened: {error}; check that its folder exists and that you may write there"
        )),
        Some(ErrorCode::DatabaseBusy | ErrorCode::DatabaseLocked) => Error::Unavailable(format!(
            "{shown} is kept locked by another program; end its transaction and try again"
        )),
        // Linux reports a full disk as a failed write when only the shared-memory file could not grow.
        Some(ErrorCode::SystemIoFailure) if extended(error) == Some(ffi::SQLITE_IOERR_SHMSIZE) => {
            Error::Full(format!("{shown}-shm can not grow"))
        }
        Some(ErrorCode::SystemIoFailure) => {
            Error::Unavailable(format!("reading or writing {shown} failed: {error}"))
        }
        _ => Error::Internal(format!("{shown}: {error}")),
    }
}

/// Whether the statement broke a UNIQUE constraint.
pub(super) fn is_unique_violation(error: &Sqlite) -> bool {
    matches!(
        extended(error),
        Some(ffi::SQLITE_CONSTRAINT_UNIQUE | ffi::SQLITE_CONSTRAINT_PRIMARYKEY)
    )
}

/// Whether only the statement failed, so that the transaction may go on once the command is undone.
pub(super) fn is_local(error: &Sqlite) -> bool {
    match error.sqlite_error_code() {
        Some(code) => matches!(
            code,
            ErrorCode::ConstraintViolation
                | ErrorCode::TooBig
                | ErrorCode::TypeMismatch
                | ErrorCode::Unknown
        ),
        // A conversion of ours: the database is well.
        None => true,
    }
}

fn extended(error: &Sqlite) -> Option<i32> {
    match error {
        Sqlite::SqliteFailure(inner, _) => Some(inner.extended_code),
        _ => None,
    }
}
