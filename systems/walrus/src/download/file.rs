//! The file that a blob is written into, off the threads that wait for the network.
//!
//! Invariant: bytes go to their own offset and nowhere else, at most two batches of each writer are in memory, and a
//! sync covers every write that ended before it.

use std::{
    fs::{File, OpenOptions},
    io,
    os::unix::fs::FileExt as _,
    path::{Path, PathBuf},
    sync::{
        Arc,
        atomic::{AtomicBool, Ordering},
    },
};

use bytes::Bytes;
use rustix::fs::FallocateFlags;
use tokio::task::JoinHandle;

use super::Error;

/// Bytes gathered before they are written.
const BATCH: usize = 512 * 1024;

/// Files from this size on get their space before their bytes.
const ALLOCATE_FROM: u64 = 1024 * 1024;

/// An open file.
#[derive(Clone, Debug)]
pub(super) struct Target(Arc<Inner>);

#[derive(Debug)]
struct Inner {
    path: PathBuf,
    file: File,
    /// The file is new: its name has to be synced as well.
    unnamed: AtomicBool,
}

impl Target {
    /// Whether the file has exactly this length, as a download left it.
    pub(super) async fn has_length(path: &Path, length: u64) -> Result<bool, Error> {
        let file = path.to_owned();
        blocking(path, move || match std::fs::symlink_metadata(&file) {
            Ok(metadata) => Ok(metadata.is_file() && metadata.len() == length),
            Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(false),
            Err(error) => Err(error),
        })
        .await
    }

    /// Opens the file, makes it if it is missing and empties it unless `keep`. With a length it gets that length and the
    /// space for it.
    pub(super) async fn open(path: &Path, length: Option<u64>, keep: bool) -> Result<Self, Error> {
        let name = path.to_owned();
        blocking(path, move || {
            let mut options = OpenOptions::new();
            options.write(true).truncate(!keep);
            let (file, new) = match options.clone().create_new(true).open(&name) {
                Err(error) if error.kind() == io::ErrorKind::AlreadyExists => {
                    (options.open(&name)?, false)
                }
                opened => (opened?, true),
            };
            if let Some(length) = length {
                if length >= ALLOCATE_FROM {
                    allocate(&file, length)?;
                }
                file.set_len(length)?;
            }
            Ok(Self(Arc::new(Inner {
                path: name,
                file,
                unnamed: AtomicBool::new(new),
            })))
        })
        .await
    }

    /// A writer from this offset on.
    pub(super) fn writer(&self, offset: u64) -> Writer {
        Writer {
            target: self.clone(),
            written: offset,
            writing: None,
            gathered: Vec::new(),
            gathered_bytes: 0,
        }
    }

    /// Returns when all that was written before is on disk.
    pub(super) async fn sync(&self) -> Result<(), Error> {
        let inner = Arc::clone(&self.0);
        blocking(&self.0.path, move || {
            inner.file.sync_data()?;
            if inner.unnamed.load(Ordering::Acquire) {
                let folder = inner.path.parent().filter(|path| *path != Path::new(""));
                File::open(folder.unwrap_or(Path::new(".")))?.sync_all()?;
                inner.unnamed.store(false, Ordering::Release);
            }
            Ok(())
        })
        .await
    }

    /// Cuts the file to this length.
    pub(super) async fn set_length(&self, length: u64) -> Result<(), Error> {
        let inner = Arc::clone(&self.0);
        blocking(&self.0.path, move || inner.file.set_len(length)).await
    }
}

/// Writes bytes that come in order. Dropping it leaves at most one batch to be written on.
#[derive(Debug)]
pub(super) struct Writer {
    target: Target,
    /// Offset up to which bytes are written.
    written: u64,
    writing: Option<JoinHandle<io::Result<u64>>>,
    gathered: Vec<Bytes>,
    gathered_bytes: usize,
}

impl Writer {
    /// Takes the next bytes, and waits only when two batches are under way.
    pub(super) async fn push(&mut self, bytes: Bytes) -> Result<(), Error> {
        self.gathered_bytes += bytes.len();
        self.gathered.push(bytes);
        if self.gathered_bytes >= BATCH {
            self.wait().await?;
            self.begin();
        }
        Ok(())
    }

    /// Leaves out bytes that are in the file already.
    pub(super) async fn skip(&mut self, bytes: u64) -> Result<(), Error> {
        self.finish().await?;
        self.written += bytes;
        Ok(())
    }

    /// Returns the offset up to which all bytes are written, when they are.
    pub(super) async fn finish(&mut self) -> Result<u64, Error> {
        self.wait().await?;
        if self.gathered_bytes > 0 {
            self.begin();
            self.wait().await?;
        }
        Ok(self.written)
    }

    fn begin(&mut self) {
        let batch = std::mem::take(&mut self.gathered);
        self.gathered_bytes = 0;
        let inner = Arc::clone(&self.target.0);
        let mut offset = self.written;
        self.writing = Some(tokio::task::spawn_blocking(move || {
            for bytes in batch {
                inner.file.write_all_at(&bytes, offset)?;
                offset += bytes.len() as u64;
            }
            Ok(offset)
        }));
    }

    async fn wait(&mut self) -> Result<(), Error> {
        if let Some(writing) = &mut self.writing {
            let ended = writing.await;
            self.writing = None;
            self.written = ended
                .map_err(io::Error::other)
                .flatten()
                .map_err(|source| file_error(&self.target.0.path, source))?;
        }
        Ok(())
    }
}

/// Reserves the space of the file, so that a full disk is known before the first byte is fetched.
fn allocate(file: &File, length: u64) -> io::Result<()> {
    match rustix::fs::fallocate(file, FallocateFlags::empty(), 0, length) {
        Ok(()) => Ok(()),
        // Not every file system can: then the disk is found full when it is.
        Err(rustix::io::Errno::OPNOTSUPP | rustix::io::Errno::NOSYS) => Ok(()),
        Err(error) => Err(error.into()),
    }
}

async fn blocking<T: Send + 'static>(
    path: &Path,
    work: impl FnOnce() -> io::Result<T> + Send + 'static,
) -> Result<T, Error> {
    tokio::task::spawn_blocking(work)
        .await
        .map_err(io::Error::other)
        .flatten()
        .map_err(|source| file_error(path, source))
}

fn file_error(path: &Path, source: io::Error) -> Error {
    Error::File {
        path: path.to_owned(),
        source,
    }
}
