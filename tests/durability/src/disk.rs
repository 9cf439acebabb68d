//! What happened to the files of a folder, in order, and what is left of them when only synced bytes are.
//!
//! Invariant: a change counts as durable only once a sync of its file that began after the change has succeeded.

use std::{
    collections::BTreeMap,
    fs, io,
    path::{Path, PathBuf},
    sync::{Arc, Mutex, MutexGuard, PoisonError, Weak},
};

use crate::vfs;

/// The folders that are watched in this process.
static WATCHED: Mutex<Vec<Weak<Disk>>> = Mutex::new(Vec::new());

/// A folder whose SQLite files are watched.
#[derive(Debug)]
pub struct Disk {
    folder: PathBuf,
    state: Mutex<State>,
}

/// A point in the history of a [`Disk`].
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct Moment(usize);

/// What SQLite asks of a disk.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Operation {
    /// To write bytes.
    Write,
    /// To make what was written durable.
    Sync,
}

/// How a disk fails, until it is repaired.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Fault {
    /// What fails.
    pub operation: Operation,
    /// End of the names of the files it fails for: `-wal`, or nothing for all.
    pub suffix: &'static str,
    /// How many of these operations go well before.
    pub after: u64,
    /// Whether the disk says that it is full; an input/output error otherwise.
    pub full: bool,
}

#[derive(Debug, Default)]
struct State {
    history: Vec<Event>,
    syncs: u64,
    loses_syncs: bool,
    fault: Option<Fault>,
    failed: u64,
}

#[derive(Debug)]
enum Event {
    Change {
        file: String,
        change: Change,
    },
    /// All changes of the file before the moment are durable.
    Synced {
        file: String,
        before: Moment,
    },
    Removed {
        file: String,
    },
}

#[derive(Clone, Debug)]
enum Change {
    Write { offset: usize, bytes: Vec<u8> },
    Truncate { size: usize },
}

impl Disk {
    /// Watches the SQLite files that are opened under `folder` from now on, for as long as the disk is kept.
    ///
    /// # Panics
    /// When the folder does not exist, or SQLite does not take the VFS.
    pub fn watch(folder: &Path) -> Arc<Self> {
        vfs::install();
        let disk = Arc::new(Self {
            folder: folder.canonicalize().expect("the folder to watch exists"),
            state: Mutex::default(),
        });
        let mut watched = WATCHED.lock().unwrap_or_else(PoisonError::into_inner);
        watched.retain(|disk| disk.strong_count() > 0);
        watched.push(Arc::downgrade(&disk));
        disk
    }

    /// The disk that watches this file, with the file's name.
    pub(crate) fn of(path: &Path) -> Option<(Arc<Self>, String)> {
        let folder = path.parent()?;
        let name = path.file_name()?.to_str()?.to_owned();
        let watched = WATCHED.lock().unwrap_or_else(PoisonError::into_inner);
        let disk = watched
            .iter()
            .filter_map(Weak::upgrade)
            .find(|disk| disk.folder == folder)?;
        Some((disk, name))
    }

    /// Now.
    pub fn now(&self) -> Moment {
        Moment(self.state().history.len())
    }

    /// Syncs that have succeeded.
    pub fn syncs(&self) -> u64 {
        self.state().syncs
    }

    /// From now on syncs succeed without making anything durable, as those of a disk that lies.
    pub fn lose_syncs(&self) {
        self.state().loses_syncs = true;
    }

    /// From now on the disk fails like this.
    pub fn fail(&self, fault: Fault) {
        let mut state = self.state();
        state.fault = Some(fault);
        state.failed = 0;
    }

    /// Operations that failed since [`Self::fail`].
    pub fn failed(&self) -> u64 {
        self.state().failed
    }

    /// From now on the disk works again.
    pub fn repair(&self) {
        self.state().fault = None;
    }

    /// Writes into `folder` what a power cut at `moment` would have left: only durable bytes.
    ///
    /// # Errors
    /// When the files can not be written.
    pub fn power_cut(&self, moment: Moment, folder: &Path) -> io::Result<()> {
        for (name, bytes) in self.state().durable(moment) {
            fs::write(folder.join(name), bytes)?;
        }
        Ok(())
    }

    /// How many syncs and removals happened before `moment`: moments with the same number leave the same files.
    pub fn epoch(&self, moment: Moment) -> usize {
        let state = self.state();
        let before = state.history.iter().take(moment.0);
        before
            .filter(|event| !matches!(event, Event::Change { .. }))
            .count()
    }

    /// Asks whether an operation goes well; the fault's code when not.
    pub(crate) fn attempt(&self, operation: Operation, file: &str) -> Result<(), Fault> {
        let mut state = self.state();
        match &mut state.fault {
            Some(fault) if fault.operation == operation && file.ends_with(fault.suffix) => {
                if fault.after > 0 {
                    fault.after -= 1;
                    return Ok(());
                }
                let fault = *fault;
                state.failed += 1;
                Err(fault)
            }
            _ => Ok(()),
        }
    }

    pub(crate) fn wrote(&self, file: &str, offset: usize, bytes: &[u8]) {
        let bytes = bytes.to_vec();
        self.change(file, Change::Write { offset, bytes });
    }

    pub(crate) fn truncated(&self, file: &str, size: usize) {
        self.change(file, Change::Truncate { size });
    }

    /// A sync that began at `began` has succeeded: what was changed while it ran does not count.
    pub(crate) fn synced(&self, file: &str, began: Moment) {
        let mut state = self.state();
        if !state.loses_syncs {
            state.syncs += 1;
            state.history.push(Event::Synced {
                file: file.to_owned(),
                before: began,
            });
        }
    }

    pub(crate) fn removed(&self, file: &str) {
        let file = file.to_owned();
        self.state().history.push(Event::Removed { file });
    }

    fn change(&self, file: &str, change: Change) {
        let file = file.to_owned();
        self.state().history.push(Event::Change { file, change });
    }

    fn state(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl State {
    /// The durable bytes of each file at `moment`.
    fn durable(&self, moment: Moment) -> BTreeMap<&str, Vec<u8>> {
        let mut files: BTreeMap<&str, Vec<u8>> = BTreeMap::new();
        let mut waiting: BTreeMap<&str, Vec<(usize, &Change)>> = BTreeMap::new();
        for (at, event) in self.history.iter().take(moment.0).enumerate() {
            match event {
                Event::Change { file, change } => {
                    waiting.entry(file).or_default().push((at, change));
                }
                Event::Synced { file, before } => {
                    let bytes = files.entry(file).or_default();
                    let waiting = waiting.entry(file).or_default();
                    let covered = waiting.partition_point(|(at, _)| *at < before.0);
                    for (_, change) in waiting.drain(..covered) {
                        change.apply(bytes);
                    }
                }
                Event::Removed { file } => {
                    files.remove(file.as_str());
                    waiting.remove(file.as_str());
                }
            }
        }
        files
    }
}

impl Change {
    fn apply(&self, file: &mut Vec<u8>) {
        match self {
            Self::Write { offset, bytes } => {
                let end = offset + bytes.len();
                if file.len() < end {
                    file.resize(end, 0);
                }
                file[*offset..end].copy_from_slice(bytes);
            }
            Self::Truncate { size } => file.resize(*size, 0),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_what_a_later_sync_covers_survives() {
        let folder = tempfile::tempdir().expect("a folder");
        let disk = Disk::watch(folder.path());
        disk.wrote("a", 0, b"one");
        let began = disk.now();
        disk.wrote("a", 3, b"two");
        disk.synced("a", began);
        disk.wrote("b", 0, b"other");
        let state = disk.state();
        let durable = state.durable(Moment(state.history.len()));
        assert_eq!(durable.get("a"), Some(&b"one".to_vec()));
        assert_eq!(durable.get("b"), None);
    }
}
