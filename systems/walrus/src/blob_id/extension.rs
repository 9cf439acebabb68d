//! The symbols that extend the source rows, kept between the two passes over a blob.
//!
//! Invariant: what is read is what was written at the same place; nothing is left on disk when the value is dropped.

use std::{fs::File, io, os::unix::fs::FileExt, path::Path, sync::OnceLock, thread};

/// The extension of a blob's rows, row after row.
pub(super) enum Extension {
    /// Runs of rows, each set once by the thread that encoded it.
    Memory {
        run: usize,
        runs: Vec<OnceLock<Vec<u8>>>,
    },
    /// A file without a name.
    File(Spill),
}

impl Extension {
    /// Room in memory for `total` bytes that will be written as runs of `run` bytes.
    pub(super) fn in_memory(total: usize, run: usize) -> Self {
        Self::Memory {
            run,
            runs: (0..total.div_ceil(run.max(1)))
                .map(|_| OnceLock::new())
                .collect(),
        }
    }

    /// Room in a temporary file in `folder`, or the system's folder for these.
    ///
    /// # Errors
    /// What the file system says.
    pub(super) fn in_file(folder: Option<&Path>) -> io::Result<Self> {
        let file = match folder {
            Some(folder) => tempfile::tempfile_in(folder),
            None => tempfile::tempfile(),
        };
        file.map(|file| Self::File(Spill(Some(file))))
    }

    /// Writes bytes at an offset; in memory that is a whole run, once.
    ///
    /// # Errors
    /// What the file system says.
    pub(super) fn write(&self, bytes: &[u8], offset: usize) -> io::Result<()> {
        match self {
            Self::Memory { run, runs } => runs[offset / run]
                .set(bytes.to_vec())
                .map_err(|_| io::ErrorKind::AlreadyExists.into()),
            Self::File(spill) => spill.file()?.write_all_at(bytes, offset as u64),
        }
    }

    /// Reads bytes that were written; in memory they lie in one run.
    ///
    /// # Errors
    /// What the file system says.
    pub(super) fn read(&self, bytes: &mut [u8], offset: usize) -> io::Result<()> {
        match self {
            Self::Memory { run, runs } => {
                let written = runs
                    .get(offset / run)
                    .and_then(OnceLock::get)
                    .ok_or(io::ErrorKind::UnexpectedEof)?;
                let start = offset % run;
                bytes.copy_from_slice(
                    written
                        .get(start..start + bytes.len())
                        .ok_or(io::ErrorKind::UnexpectedEof)?,
                );
                Ok(())
            }
            Self::File(spill) => spill.file()?.read_exact_at(bytes, offset as u64),
        }
    }
}

/// A temporary file, closed in the background: to free gigabytes takes the system a second, and a cancelled computation
/// is to end at once.
pub(super) struct Spill(Option<File>);

impl Spill {
    fn file(&self) -> io::Result<&File> {
        self.0.as_ref().ok_or(io::ErrorKind::NotFound.into())
    }
}

impl Drop for Spill {
    fn drop(&mut self) {
        let file = self.0.take();
        // If the system refuses a thread, the closure is dropped here, and the file is closed all the same.
        let closing = thread::Builder::new()
            .name("blob-id-close".to_owned())
            .spawn(move || drop(file));
        drop(closing);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn both_places_give_back_what_they_got() {
        let folder = tempfile::tempdir().expect("a folder");
        let file = Extension::in_file(Some(folder.path())).expect("a file");
        for extension in [Extension::in_memory(25, 10), file] {
            for (i, offset) in [0, 10, 20].into_iter().enumerate() {
                let bytes: Vec<u8> = (0..if i == 2 { 5 } else { 10 })
                    .map(|b| b + offset)
                    .collect();
                extension
                    .write(&bytes, usize::from(offset))
                    .expect("written");
            }
            let mut bytes = [0; 4];
            extension.read(&mut bytes, 16).expect("read");
            assert_eq!(bytes, [16, 17, 18, 19]);
            extension.read(&mut bytes, 21).expect("read");
            assert_eq!(bytes, [21, 22, 23, 24]);
            assert!(extension.read(&mut bytes, 22).is_err());
        }
        assert_eq!(folder.path().read_dir().expect("the folder").count(), 0);
    }
}
