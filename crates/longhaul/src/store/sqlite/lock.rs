//! One process runs jobs on a file: an operating system's lock on a file beside it, held for the process's life.
//!
//! Invariant: the lock is released only by dropping [`RunLock`] or by the end of the process, never by a stale file.

use std::{
    fs::{File, OpenOptions, TryLockError},
    path::{Path, PathBuf},
};

use crate::store::Error;

/// The right to run jobs on a file, until dropped.
#[derive(Debug)]
pub struct RunLock {
    _file: File,
    path: PathBuf,
}

impl RunLock {
    /// Takes the lock of the database at `database`, without waiting.
    pub(super) fn take(database: &Path) -> Result<Self, Error> {
        let path = beside(database);
        let file = OpenOptions::new()
            .create(true)
            .truncate(false)
            .write(true)
            .open(&path)
            .map_err(|error| {
                Error::Unavailable(format!(
                    "{} can not be opened: {error}; check that its folder exists and that you may write there",
                    path.display()
                ))
            })?;
        match file.try_lock() {
            Ok(()) => Ok(Self { _file: file, path }),
            Err(TryLockError::WouldBlock) => Err(Error::Locked(format!(
                "another process runs jobs on {}; submit to that one, stop it, or use another file",
                database.display()
            ))),
            Err(TryLockError::Error(error)) => Err(Error::Unavailable(format!(
                "{} can not be locked: {error}; use a file system that has locks",
                path.display()
            ))),
        }
    }

    /// The file that carries the lock.
    pub fn path(&self) -> &Path {
        &self.path
    }
}

/// The lock's file: links to one database share one lock.
fn beside(database: &Path) -> PathBuf {
    let real = database.canonicalize().unwrap_or_else(|_| {
        match (database.parent(), database.file_name()) {
            (Some(folder), Some(name)) => folder
                .canonicalize()
                .map_or_else(|_| database.to_owned(), |folder| folder.join(name)),
            _ => database.to_owned(),
        }
    });
    let mut name = real.into_os_string();
    name.push(".lock");
    PathBuf::from(name)
}
