//! Verified blobs, kept for an hour for quick re-access.
//!
//! Invariants: a file comes here only after its bytes were verified against its blob ID, and the hash of those bytes stands
//! in its name; what is taken is checked by that hash while it is copied, so that what was damaged since is dropped and
//! never delivered. The folder stays within its bounds, the oldest go first. The names say everything: after a kill
//! nothing has to be repaired, and what is no entry is removed.

use std::{
    collections::HashMap,
    fs::{self, File},
    io::{self, Read as _},
    path::{Path, PathBuf},
    sync::{Arc, Mutex, MutexGuard, PoisonError},
    time::Duration,
};

use blake2b_simd::blake2bp;
use longhaul_types::Timestamp;

use crate::blob_id::BlobId;

/// How long a blob is kept.
pub const KEPT: Duration = Duration::from_hours(1);
/// Bytes that are kept at most when nothing else is said: 1 GB.
pub const DEFAULT_BYTES: u64 = 1_000_000_000;
/// Files that are kept at most, however small.
const MAX_FILES: usize = 10_000;
/// Between two looks for what is old.
const INTERVAL: Duration = Duration::from_mins(1);
/// Bytes read at a time.
const READ: usize = 256 << 10;
/// Bytes of a hash.
const HASH: usize = 32;

/// The folder of verified blobs. Clones share it; one process at a time may use it. All calls but [`Cache::tend`] block.
#[derive(Clone, Debug)]
pub struct Cache(Arc<Inner>);

#[derive(Debug)]
struct Inner {
    folder: PathBuf,
    /// What lies in the folder, once it was looked at.
    index: Mutex<Option<Index>>,
}

#[derive(Debug, Default)]
struct Index {
    entries: HashMap<BlobId, Entry>,
    bytes: u64,
}

#[derive(Clone, Debug, PartialEq, Eq)]
struct Entry {
    /// When it was put here, in milliseconds since 1970.
    stored: i64,
    /// `BLAKE2bp` of the bytes, in hexadecimal.
    hash: String,
    bytes: u64,
}

impl Cache {
    /// The cache in this folder, which is made when it is needed.
    pub fn new(folder: impl Into<PathBuf>) -> Self {
        Self(Arc::new(Inner {
            folder: folder.into(),
            index: Mutex::new(None),
        }))
    }

    /// Keeps the bytes of `file`, which were verified to be those of `blob`, if they fit into `limit` bytes. They are not
    /// copied: the file gets a second name. Whether they are kept.
    ///
    /// # Errors
    /// When the file can not be read, or the folder not be used.
    pub fn put(&self, blob: BlobId, file: &Path, now: Timestamp, limit: u64) -> io::Result<bool> {
        let bytes = fs::metadata(file)?.len();
        self.sweep(now)?;
        if bytes > limit || self.index(now)?.1.entries.contains_key(&blob) {
            return Ok(false);
        }
        let hash = copy(file, &mut io::sink(), &|| false)?.1;
        let entry = Entry {
            stored: now.0,
            hash,
            bytes,
        };
        let (folder, mut index) = self.index(now)?;
        let room = limit - bytes;
        while index.bytes > room || index.entries.len() >= MAX_FILES {
            index.drop_oldest(folder)?;
        }
        match fs::hard_link(file, folder.join(entry.name(&blob))) {
            Ok(()) => {
                index.add(blob, entry);
                Ok(true)
            }
            // Another job was quicker.
            Err(error) if error.kind() == io::ErrorKind::AlreadyExists => Ok(false),
            Err(error) => Err(error),
        }
    }

    /// Copies the blob into the file at `to` and syncs that, if the blob is here and as it was. Its bytes.
    ///
    /// # Errors
    /// When `to` can not be written; [`io::ErrorKind::Interrupted`] when `stopped` says so.
    pub fn take(
        &self,
        blob: BlobId,
        to: &Path,
        now: Timestamp,
        stopped: &dyn Fn() -> bool,
    ) -> io::Result<Option<u64>> {
        let found = {
            let (folder, index) = self.index(now)?;
            let entry = index.entries.get(&blob).cloned();
            let fresh = entry.filter(|entry| entry.is_fresh(now));
            fresh.map(|entry| (folder.join(entry.name(&blob)), entry))
        };
        let Some((from, entry)) = found else {
            return Ok(None);
        };
        let mut file = File::create(to)?;
        match copy(&from, &mut file, stopped) {
            Ok((bytes, hash)) if bytes == entry.bytes && hash == entry.hash => {
                file.sync_data()?;
                Ok(Some(bytes))
            }
            Err(error) if error.kind() == io::ErrorKind::Interrupted => Err(error),
            damaged => {
                fs::remove_file(to)?;
                tracing::warn!(%blob, ?damaged, "a kept blob was damaged; it is fetched anew");
                let (folder, mut index) = self.index(now)?;
                index.drop_entry(folder, &blob)?;
                Ok(None)
            }
        }
    }

    /// Removes what is older than [`KEPT`], and what is no entry.
    ///
    /// # Errors
    /// When the folder can not be read or a file not be removed.
    pub fn sweep(&self, now: Timestamp) -> io::Result<()> {
        let (folder, mut index) = self.index(now)?;
        let old = |entry: &Entry| !entry.is_fresh(now);
        let old: Vec<BlobId> = index
            .entries
            .iter()
            .filter_map(|(blob, entry)| old(entry).then_some(*blob))
            .collect();
        old.iter()
            .try_for_each(|blob| index.drop_entry(folder, blob))
    }

    /// Sweeps at once and then every minute, for as long as it is polled.
    pub async fn tend(self) {
        loop {
            let cache = self.clone();
            let swept = tokio::task::spawn_blocking(move || cache.sweep(Timestamp::now())).await;
            if let Err(error) = swept.map_err(io::Error::other).flatten() {
                tracing::warn!(%error, "the result cache was not swept; trying again");
            }
            tokio::time::sleep(INTERVAL).await;
        }
    }

    /// The folder and what is fresh in it, read from the disk the first time.
    fn index(&self, now: Timestamp) -> io::Result<(&Path, Shared<'_>)> {
        let folder = &self.0.folder;
        let mut index = self.0.index.lock().unwrap_or_else(PoisonError::into_inner);
        if index.is_none() {
            *index = Some(Index::read(folder, now)?);
        }
        Ok((folder, Shared(index)))
    }
}

/// The index, which is there.
struct Shared<'a>(MutexGuard<'a, Option<Index>>);

impl std::ops::Deref for Shared<'_> {
    type Target = Index;

    fn deref(&self) -> &Index {
        self.0.as_ref().expect("read before")
    }
}

impl std::ops::DerefMut for Shared<'_> {
    fn deref_mut(&mut self) -> &mut Index {
        self.0.as_mut().expect("read before")
    }
}

impl Index {
    /// What is in the folder; what is old or no entry is removed.
    fn read(folder: &Path, now: Timestamp) -> io::Result<Self> {
        fs::create_dir_all(folder)?;
        let mut index = Self::default();
        for file in fs::read_dir(folder)? {
            let file = file?;
            let name = file.file_name();
            let entry = name.to_str().and_then(Entry::parse);
            let metadata = file.metadata()?;
            match entry {
                Some((blob, entry))
                    if metadata.is_file()
                        && entry.is_fresh(now)
                        && !index.entries.contains_key(&blob) =>
                {
                    let bytes = metadata.len();
                    index.add(blob, Entry { bytes, ..entry });
                }
                _ if metadata.is_dir() => fs::remove_dir_all(file.path())?,
                _ => fs::remove_file(file.path())?,
            }
        }
        Ok(index)
    }

    fn add(&mut self, blob: BlobId, entry: Entry) {
        self.bytes += entry.bytes;
        self.entries.insert(blob, entry);
    }

    fn drop_oldest(&mut self, folder: &Path) -> io::Result<()> {
        let oldest = self.entries.iter().min_by_key(|(_, entry)| entry.stored);
        match oldest.map(|(blob, _)| *blob) {
            Some(blob) => self.drop_entry(folder, &blob),
            None => Ok(()),
        }
    }

    fn drop_entry(&mut self, folder: &Path, blob: &BlobId) -> io::Result<()> {
        let Some(entry) = self.entries.remove(blob) else {
            return Ok(());
        };
        self.bytes -= entry.bytes;
        match fs::remove_file(folder.join(entry.name(blob))) {
            Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(()),
            removed => removed,
        }
    }
}

impl Entry {
    /// Blob ID, time and hash.
    fn name(&self, blob: &BlobId) -> String {
        format!("{blob}.{}.{}", self.stored, self.hash)
    }

    /// What a file's name says; its bytes are for the caller to look up.
    fn parse(name: &str) -> Option<(BlobId, Self)> {
        let mut parts = name.splitn(3, '.');
        let blob = parts.next()?.parse().ok()?;
        let stored = parts.next()?.parse().ok()?;
        let hash = parts.next()?.to_owned();
        let entry = Self {
            stored,
            hash,
            bytes: 0,
        };
        (entry.hash.len() == 2 * HASH && entry.name(&blob) == name).then_some((blob, entry))
    }

    /// Whether it is young enough; one of the future is as if the clock had been put back, and is not.
    fn is_fresh(&self, now: Timestamp) -> bool {
        let stored = Timestamp(self.stored);
        stored <= now && now.since(stored) < KEPT
    }
}

/// Copies a file, and gives its bytes and their hash.
fn copy(
    from: &Path,
    to: &mut impl io::Write,
    stopped: &dyn Fn() -> bool,
) -> io::Result<(u64, String)> {
    let mut from = File::open(from)?;
    let mut hash = blake2bp::Params::new().hash_length(HASH).to_state();
    let mut buffer = vec![0; READ];
    let mut bytes = 0;
    loop {
        if stopped() {
            return Err(io::ErrorKind::Interrupted.into());
        }
        match from.read(&mut buffer)? {
            0 => return Ok((bytes, hash.finalize().to_hex().to_string())),
            read => {
                hash.update(&buffer[..read]);
                to.write_all(&buffer[..read])?;
                bytes += read as u64;
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const NOW: Timestamp = Timestamp(1_703_123_456_000);
    const MINUTE: Duration = Duration::from_mins(1);

    struct Rig {
        folder: tempfile::TempDir,
        cache: Cache,
    }

    impl Rig {
        fn new() -> Self {
            let folder = tempfile::tempdir().expect("a folder");
            let cache = Cache::new(folder.path().join("kept"));
            Self { folder, cache }
        }

        /// The cache as the next process finds it.
        fn restart(&mut self) {
            self.cache = Cache::new(self.folder.path().join("kept"));
        }

        fn put(&self, number: u8, bytes: &[u8], now: Timestamp, limit: u64) -> bool {
            let file = self.folder.path().join("file");
            fs::write(&file, bytes).expect("written");
            let kept = self.cache.put(blob(number), &file, now, limit);
            fs::remove_file(file).expect("removed");
            kept.expect("put")
        }

        fn take(&self, number: u8, now: Timestamp) -> Option<Vec<u8>> {
            let to = self.folder.path().join("taken");
            let taken = self.cache.take(blob(number), &to, now, &|| false);
            let bytes = taken.expect("looked for")?;
            let taken = fs::read(to).expect("there");
            assert_eq!(taken.len() as u64, bytes);
            Some(taken)
        }

        fn files(&self) -> Vec<PathBuf> {
            let files = fs::read_dir(self.folder.path().join("kept")).expect("a folder");
            files.map(|file| file.expect("read").path()).collect()
        }
    }

    fn blob(number: u8) -> BlobId {
        BlobId::from_bytes([number; 32])
    }

    #[test]
    fn a_blob_is_kept_for_an_hour_also_through_a_restart() {
        let mut rig = Rig::new();
        assert_eq!(rig.take(1, NOW), None);
        assert!(rig.put(1, b"milk", NOW, 100));
        assert!(!rig.put(1, b"milk", NOW + MINUTE, 100), "it is there");
        assert_eq!(rig.take(1, NOW + MINUTE).as_deref(), Some(&b"milk"[..]));
        rig.restart();
        assert_eq!(
            rig.take(1, NOW + 59 * MINUTE).as_deref(),
            Some(&b"milk"[..])
        );
        rig.cache.sweep(NOW + 59 * MINUTE).expect("swept");
        assert_eq!(rig.files().len(), 1);
        assert_eq!(rig.take(1, NOW + KEPT), None);
        rig.cache.sweep(NOW + KEPT).expect("swept");
        assert_eq!(rig.files().len(), 0);
    }

    #[test]
    fn the_oldest_go_when_there_is_no_room() {
        let rig = Rig::new();
        for number in 1..=3 {
            let now = NOW + MINUTE * u32::from(number);
            assert!(rig.put(number, b"12345", now, 15));
        }
        let now = NOW + 5 * MINUTE;
        assert!(!rig.put(4, &[0; 16], now, 15), "larger than all room");
        assert!(rig.put(5, b"12345678", now, 15));
        let kept = [1, 2, 3, 4, 5].map(|number| rig.take(number, now).is_some());
        assert_eq!(kept, [false, false, true, false, true]);
        assert!(!rig.put(6, b"1", now, 0), "switched off");
        assert_eq!(rig.files().len(), 2);
    }

    #[test]
    fn what_was_damaged_is_dropped_and_not_delivered() {
        for damage in [&b"malk"[..], b"mil", b"milky", b""] {
            let rig = Rig::new();
            assert!(rig.put(1, b"milk", NOW, 100));
            fs::write(&rig.files()[0], damage).expect("damaged");
            assert_eq!(rig.take(1, NOW), None, "{damage:?}");
            assert!(!rig.folder.path().join("taken").exists());
            assert_eq!(rig.files().len(), 0);
        }
    }

    #[test]
    fn leftovers_are_removed_by_the_next_process() {
        let mut rig = Rig::new();
        assert!(rig.put(1, b"milk", NOW, 100));
        let kept = rig.folder.path().join("kept");
        let old = format!("{}.{}.{}", blob(2), (NOW - KEPT).0, "0".repeat(64));
        for name in [
            "half.tmp",
            &blob(3).to_string(),
            &format!("{}.1.x", blob(3)),
            &old,
        ] {
            fs::write(kept.join(name), b"x").expect("written");
        }
        fs::create_dir(kept.join("folder")).expect("made");
        rig.restart();
        rig.cache.sweep(NOW).expect("swept");
        assert_eq!(rig.files().len(), 1);
        assert_eq!(rig.take(1, NOW).as_deref(), Some(&b"milk"[..]));
    }

    #[test]
    fn a_copy_can_be_stopped() {
        let rig = Rig::new();
        assert!(rig.put(1, b"milk", NOW, 100));
        let to = rig.folder.path().join("taken");
        let stopped = rig.cache.take(blob(1), &to, NOW, &|| true);
        let error = stopped.expect_err("stopped");
        assert_eq!(error.kind(), io::ErrorKind::Interrupted);
        assert!(rig.take(1, NOW).is_some(), "it stays");
    }
}
