//! The local todo lists, `<folder>/<name>.json`.
//!
//! Invariant: a name from outside never becomes a path outside the folder; a list on disk is always a whole one, old or
//! new; two writers lose nothing of each other; and what this program does not know of a list it keeps.

mod model;
mod name;
mod store;

use std::{io, path::PathBuf};

pub use self::{
    model::{Content, List, ListedBlob, MAX_TITLE, MAX_TODOS, Todo},
    name::{InvalidName, ListName},
    store::{Lists, MAX_FILE},
};

/// Why a list could not be read or changed.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum Error {
    /// The name is no list's.
    #[error(transparent)]
    Name(#[from] InvalidName),
    /// There is no such list.
    #[error("there is no list '{0}'")]
    NotFound(ListName),
    /// The file or blob is larger than any list.
    #[error("{what} is larger than {limit} bytes")]
    TooLarge {
        /// The file or blob.
        what: String,
        /// Most bytes taken.
        limit: u64,
    },
    /// The text is no list or todo.
    #[error("{what} is not a todo list: {reason}")]
    Malformed {
        /// The file or blob.
        what: String,
        /// What is wrong with it.
        reason: String,
    },
    /// The file could not be read or written.
    #[error("could not use {path}: {source}")]
    File {
        /// The file or folder.
        path: PathBuf,
        /// What the system said.
        source: io::Error,
    },
}
