//! Looks at a file for faults, beside whatever process uses it.

use std::path::Path;

use super::{
    SqliteStore,
    error::store_error,
    open::{Purpose, connect, newest, version},
};
use crate::store::Error;

/// Faults that are told, at most.
const FAULTS: usize = 10;

/// What was found in a file.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Inspection {
    /// Version of its schema; 0 when it has no tables of ours.
    pub schema: i64,
    /// The version that this program makes.
    pub newest: i64,
    /// What is damaged, the first ten places.
    pub faults: Vec<String>,
}

impl SqliteStore {
    /// Looks at the file: its settings take, its version, and when `whole` every page of it, which reads all of it.
    ///
    /// Errors: as [`SqliteStore::open`].
    pub fn inspect(path: &Path, whole: bool) -> Result<Inspection, Error> {
        let db = connect(path, Purpose::Read)?;
        let mut faults = Vec::new();
        if whole {
            db.pragma_query(None, "quick_check", |row| {
                let fault: String = row.get(0)?;
                if fault != "ok" && faults.len() < FAULTS {
                    faults.push(fault);
                }
                Ok(())
            })
            .map_err(|error| store_error(&error, path))?;
        }
        Ok(Inspection {
            schema: version(&db, path)?,
            newest: newest(),
            faults,
        })
    }
}
