//! The store in a SQLite file behaves as every store must.

use std::ops::Deref;

use longhaul::{
    Store,
    model::Limits,
    store::{SqliteStore, sqlite::Options},
};

/// A store whose file lives as long as it does.
struct Kept(
    SqliteStore,
    #[expect(dead_code, reason = "removed when dropped")] tempfile::TempDir,
);

impl Deref for Kept {
    type Target = dyn Store;

    fn deref(&self) -> &Self::Target {
        &self.0
    }
}

async fn make(limits: Limits) -> Kept {
    let folder = tempfile::tempdir().expect("a folder");
    let path = folder.path().join("jobs.db");
    let store = SqliteStore::open(path, &Options::with_limits(&limits)).expect("a store");
    Kept(store, folder)
}

longhaul::conformance!(make);
