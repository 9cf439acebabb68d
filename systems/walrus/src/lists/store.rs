//! The folder of lists.
//!
//! Invariant: a list is read and replaced under one lock, and replaced by a rename of a synced file.

use std::{
    fs::{self, File, OpenOptions},
    io::{self, Read as _, Write as _},
    path::{Path, PathBuf},
};

use longhaul_types::Timestamp;

use super::{Error, List, ListName, Todo};

/// Bytes of the largest list file.
pub const MAX_FILE: u64 = 64 * 1024 * 1024;

/// The file whose lock writers hold. Its name is none that a list can have.
const LOCK: &str = ".lists.lock";

/// The lists of one folder. Its methods wait for the disk: call them where that is allowed.
#[derive(Clone, Debug)]
pub struct Lists {
    folder: PathBuf,
}

impl Lists {
    /// The lists of this folder, which need not be there yet.
    pub fn new(folder: impl Into<PathBuf>) -> Self {
        Self {
            folder: folder.into(),
        }
    }

    /// The folder.
    pub fn folder(&self) -> &Path {
        &self.folder
    }

    /// Whether there is a list of this name.
    pub fn contains(&self, name: &ListName) -> bool {
        self.path(name).is_file()
    }

    /// Reads a list.
    ///
    /// # Errors
    /// [`Error::NotFound`], [`Error::TooLarge`], [`Error::Malformed`] and [`Error::File`].
    pub fn load(&self, name: &ListName) -> Result<List, Error> {
        let path = self.path(name);
        let what = || path.display().to_string();
        let mut bytes = Vec::new();
        let read = File::open(&path)
            .and_then(|file| file.take(MAX_FILE + 1).read_to_end(&mut bytes))
            .map_err(|source| match source.kind() {
                io::ErrorKind::NotFound => Error::NotFound(name.clone()),
                _ => file_error(&path, source),
            })?;
        if read as u64 > MAX_FILE {
            return Err(Error::TooLarge {
                what: what(),
                limit: MAX_FILE,
            });
        }
        List::parse(&bytes, &what())
    }

    /// Adds a todo to a list, or renews the one of that ID. The list is made when it is missing.
    ///
    /// # Errors
    /// Those of [`Lists::load`]; then nothing changed.
    pub fn add_todo(&self, name: &ListName, todo: Todo, now: Timestamp) -> Result<(), Error> {
        self.add_todos(name, vec![todo], now)
    }

    /// Adds todos to a list, all or none.
    ///
    /// # Errors
    /// Those of [`Lists::load`]; then nothing changed.
    pub fn add_todos(
        &self,
        name: &ListName,
        todos: Vec<Todo>,
        now: Timestamp,
    ) -> Result<(), Error> {
        fs::create_dir_all(&self.folder).map_err(|source| file_error(&self.folder, source))?;
        // Unlocked when it is closed.
        let _lock = self.lock()?;
        let mut list = match self.load(name) {
            Err(Error::NotFound(_)) => List::new(name, now),
            loaded => loaded?,
        };
        for todo in todos {
            list.join(todo, now);
        }
        self.replace(name, &list)
    }

    fn lock(&self) -> Result<File, Error> {
        let path = self.folder.join(LOCK);
        let open = || {
            let file = OpenOptions::new().create(true).append(true).open(&path)?;
            file.lock()?;
            Ok(file)
        };
        open().map_err(|source| file_error(&path, source))
    }

    fn replace(&self, name: &ListName, list: &List) -> Result<(), Error> {
        let path = self.path(name);
        let what = path.display().to_string();
        list.check(&what)?;
        let bytes = serde_json::to_vec_pretty(list)
            .map_err(|error| super::model::malformed(&what, &error.to_string()))?;
        if bytes.len() as u64 > MAX_FILE {
            return Err(Error::TooLarge {
                what,
                limit: MAX_FILE,
            });
        }
        self.write(&path, &bytes)
            .map_err(|source| file_error(&path, source))
    }

    fn write(&self, path: &Path, bytes: &[u8]) -> io::Result<()> {
        let mut file = tempfile::Builder::new()
            .prefix(".list-")
            .tempfile_in(&self.folder)?;
        if let Ok(old) = fs::metadata(path) {
            file.as_file().set_permissions(old.permissions())?;
        }
        file.write_all(bytes)?;
        file.as_file().sync_all()?;
        file.persist(path)?;
        File::open(&self.folder)?.sync_all()
    }

    fn path(&self, name: &ListName) -> PathBuf {
        self.folder.join(format!("{name}.json"))
    }
}

fn file_error(path: &Path, source: io::Error) -> Error {
    Error::File {
        path: path.to_owned(),
        source,
    }
}
