//! A SQLite installation moves to PostgreSQL: its jobs with all that belongs to them, schedules, tokens, pauses, and the files
//! of its jobs.
//!
//! Invariant: it has moved whole or not at all. The rows go in one transaction, while nobody else can write to the file;
//! what is killed in between is done again, and once the rows are there the file takes no jobs any more.

mod files;
mod source;
mod tables;
mod target;

use std::path::Path;

use longhaul_types::Timestamp;

use self::{source::Source, target::Target};
use crate::{
    artifacts::{self, Artifacts},
    model::Limits,
    store::{self, PostgresStore, Store as _, postgres},
};

/// Why it could not move.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// The file or the database.
    #[error(transparent)]
    Store(#[from] store::Error),
    /// The files of jobs.
    #[error(transparent)]
    Artifacts(#[from] artifacts::Error),
    /// The database is no empty one.
    #[error(
        "the database has jobs, tokens or schedules of another installation; give an empty one"
    )]
    Filled,
    /// Servers work on the database.
    #[error(
        "a server or worker runs on the database; stop it, and try again once its lease is over"
    )]
    Busy,
    /// A file is not what its row says.
    #[error("the file '{location}' is not what its job '{job}' says of it: {why}")]
    Damaged {
        /// The job's id.
        job: String,
        /// Where the file lies.
        location: String,
        /// What is wrong with it.
        why: String,
    },
}

/// What has moved.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Moved {
    /// Rows by table, in the order in which they went.
    pub rows: Vec<(&'static str, u64)>,
    /// Files that were copied.
    pub files: u64,
    /// Files that lay in neither place, by job and name: they were gone before.
    pub missing: Vec<(String, String)>,
}

/// What is being done, for whoever waits.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Step {
    /// So many of so many files were looked at.
    Files(u64, u64),
    /// So many rows of this table are there.
    Rows(&'static str, u64),
}

/// Moves the jobs of the SQLite file at `path` to the PostgreSQL database at `url`, which must be empty, and their files to
/// `files`. Jobs that ran are put back at `now`. Afterwards the file takes no jobs any more; whoever calls puts it away.
///
/// # Errors
/// [`store::Error::Locked`] while a process runs jobs on the file; [`Error::Filled`] and [`Error::Busy`] when the database is
/// not to be had; [`Error::Damaged`] when a file is not what its row says. After an error nothing has moved, or all rows have, and it
/// can be tried again.
pub async fn to_postgres(
    path: &Path,
    url: &str,
    files: &Artifacts,
    now: Timestamp,
    mut note: impl FnMut(Step),
) -> Result<Moved, Error> {
    let source = Source::open(path, now).await?;
    let installation = source.store().installation().await?;
    let mut target = Target::connect(url).await?;
    let mut moved = Moved::default();
    if target.number().await? != installation {
        target.see_free().await?;
        files.belong_to(installation).await?;
        files::copy(path, &source, files, &mut moved, &mut note).await?;
        // Who submits past the server waits, and is refused in the end.
        source.close()?;
        target.begin().await?;
        for table in tables::ALL {
            let rows = target.copy(table, source.rows(table)?, &mut note).await?;
            moved.rows.push((table.name, rows));
        }
        target.commit(source.last()?, installation).await?;
    }
    // Again, if it was killed here: what follows may be done twice.
    let options = postgres::Options::with_limits(&Limits::default());
    let store = PostgresStore::connect(url, &options).await?;
    store.declare(source.store().kinds().await?).await?;
    source.retire()?;
    Ok(moved)
}
