//! The secrets of a data folder: a private file, read anew for each job that names one.
//!
//! Invariants: the file is its user's alone or it is not read; it is replaced whole, under a lock and synced, so that a
//! reader sees the old one or the new one; a value leaves it for a kind that it was set for, and is shown nowhere else.

use std::{
    collections::BTreeMap,
    fs::{File, OpenOptions},
    io::{self, Read, Write as _},
    os::unix::fs::OpenOptionsExt,
    path::{Path, PathBuf},
};

use longhaul::{secrets::Secrets, types::Timestamp};
use serde::{Deserialize, Serialize};
use tempfile::NamedTempFile;

use crate::{Error, folder::open_private};

/// Bytes of the file.
const FILE: u64 = 4 << 20;
/// Bytes of a value. A shorter one would be found, and taken out, in texts that have nothing to do with it.
const VALUE: std::ops::RangeInclusive<usize> = 8..=64 << 10;
/// Characters of a name.
const NAME: usize = 64;

/// The secrets of a data folder.
#[derive(Clone, Debug)]
pub struct SecretFile(PathBuf);

/// A secret, without its value.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct SecretInfo {
    /// Its name.
    pub name: String,
    /// The kinds of jobs that may have it; `walrus.*` is every kind that begins so.
    pub kinds: Vec<String>,
    /// When it was set.
    pub set_at: Timestamp,
}

#[derive(Default, Serialize, Deserialize)]
struct Content {
    secrets: BTreeMap<String, Kept>,
}

#[derive(Serialize, Deserialize)]
struct Kept {
    kinds: Vec<String>,
    set_at: Timestamp,
    value: String,
}

impl SecretFile {
    /// The secrets in the file at `path`; there are none while there is no file.
    pub fn new(path: impl Into<PathBuf>) -> Self {
        Self(path.into())
    }

    /// Sets a secret for jobs of these kinds; one that has the name is replaced.
    pub fn set(
        &self,
        name: &str,
        value: &str,
        kinds: Vec<String>,
        now: Timestamp,
    ) -> Result<(), Error> {
        let sound = |c: char| c.is_ascii_alphanumeric() || "-_.".contains(c);
        if name.is_empty() || name.len() > NAME || !name.chars().all(sound) {
            return Err(Error::BadSecret(
                "a name has 1 to 64 letters, digits, hyphens, underscores and dots",
            ));
        }
        if !VALUE.contains(&value.len()) {
            return Err(Error::BadSecret("a value has 8 to 65,536 bytes"));
        }
        if kinds.is_empty() || kinds.iter().any(|kind| kind.is_empty() || kind == "*") {
            return Err(Error::BadSecret(
                "name the kinds of jobs that may have it: whoever may submit one of them can use it",
            ));
        }
        let kept = Kept {
            kinds,
            set_at: now,
            value: value.to_owned(),
        };
        self.change(|secrets| {
            secrets.insert(name.to_owned(), kept);
        })
    }

    /// Removes a secret. Answers whether there was one.
    pub fn remove(&self, name: &str) -> Result<bool, Error> {
        let mut removed = false;
        self.change(|secrets| removed = secrets.remove(name).is_some())?;
        Ok(removed)
    }

    /// Every secret, by name.
    pub fn list(&self) -> Result<Vec<SecretInfo>, Error> {
        let secrets = self.read()?.secrets.into_iter();
        let info = secrets.map(|(name, kept)| SecretInfo {
            name,
            kinds: kept.kinds,
            set_at: kept.set_at,
        });
        Ok(info.collect())
    }

    fn read(&self) -> Result<Content, Error> {
        let path = &self.0;
        let file = match open_private(path) {
            Err(Error::Io { source, .. }) if source.kind() == io::ErrorKind::NotFound => {
                return Ok(Content::default());
            }
            file => file?,
        };
        let mut text = String::new();
        file.take(FILE + 1)
            .read_to_string(&mut text)
            .map_err(Error::io(path))?;
        // What the parser says of the text could show a part of it.
        serde_json::from_str(&text).map_err(|_| Error::BadSecretFile(path.clone()))
    }

    fn change(&self, change: impl FnOnce(&mut BTreeMap<String, Kept>)) -> Result<(), Error> {
        let path = &self.0;
        let folder = path.parent().unwrap_or(Path::new("."));
        let lock_path = path.with_extension("lock");
        let lock = OpenOptions::new()
            .create(true)
            .truncate(false)
            .write(true)
            .mode(0o600)
            .open(&lock_path)
            .map_err(Error::io(&lock_path))?;
        // Held until this returns: two that change it at once do so one after the other.
        lock.lock().map_err(Error::io(&lock_path))?;
        let mut content = self.read()?;
        change(&mut content.secrets);
        let text = serde_json::to_vec(&content).map_err(|error| Error::io(path)(error.into()))?;
        if text.len() as u64 > FILE {
            return Err(Error::BadSecret("all secrets together have at most 4 MiB"));
        }
        // Mode 0600 from its first moment.
        let mut new = NamedTempFile::new_in(folder).map_err(Error::io(folder))?;
        new.write_all(&text).map_err(Error::io(path))?;
        new.as_file().sync_all().map_err(Error::io(path))?;
        new.persist(path)
            .map_err(|error| Error::io(path)(error.error))?;
        let synced = File::open(folder).and_then(|folder| folder.sync_all());
        synced.map_err(Error::io(folder))
    }
}

impl Secrets for SecretFile {
    fn reveal(&self, name: &str, kind: &str) -> io::Result<Option<String>> {
        let mut content = self.read().map_err(io::Error::other)?;
        let kept = content.secrets.remove(name);
        let kept = kept.filter(|kept| kept.kinds.iter().any(|known| covers(known, kind)));
        Ok(kept.map(|kept| kept.value))
    }
}

/// Whether `pattern` names `kind`: as it is, or by its beginning and `*`.
pub(crate) fn covers(pattern: &str, kind: &str) -> bool {
    match pattern.strip_suffix('*') {
        Some(beginning) => kind.starts_with(beginning),
        None => pattern == kind,
    }
}

#[cfg(test)]
mod tests {
    use std::{
        fs,
        os::unix::fs::{MetadataExt, PermissionsExt},
    };

    use super::*;

    fn file() -> (tempfile::TempDir, SecretFile) {
        let folder = tempfile::tempdir().expect("a folder");
        let file = SecretFile::new(folder.path().join("secrets.json"));
        (folder, file)
    }

    fn set(file: &SecretFile, name: &str, value: &str, kinds: &[&str]) -> Result<(), Error> {
        let kinds = kinds.iter().map(|kind| (*kind).to_owned()).collect();
        file.set(name, value, kinds, Timestamp(0))
    }

    #[test]
    fn a_value_leaves_the_file_for_its_kinds_alone() {
        let (_folder, file) = file();
        assert_eq!(file.list().expect("none"), []);
        set(&file, "one", "hush-hush", &["a.b", "walrus.*"]).expect("set");
        let reveal = |name, kind| file.reveal(name, kind).expect("read");
        let value = Some("hush-hush".to_owned());
        assert_eq!(reveal("one", "a.b"), value);
        assert_eq!(reveal("one", "walrus.fetch"), value);
        for kind in ["a.bc", "a", "walrus", ""] {
            assert_eq!(reveal("one", kind), None, "{kind}");
        }
        assert_eq!(reveal("two", "a.b"), None);
        set(&file, "one", "changed!", &["c"]).expect("set again");
        assert_eq!(reveal("one", "c").as_deref(), Some("changed!"));
        let listed = serde_json::to_string(&file.list().expect("one")).expect("json");
        assert!(
            listed.contains("one") && !listed.contains("changed"),
            "{listed}"
        );
        assert!(file.remove("one").expect("removed"));
        assert!(!file.remove("one").expect("gone"));
        assert_eq!(reveal("one", "c"), None);
    }

    #[test]
    fn what_is_no_secret_is_refused() {
        let (_folder, file) = file();
        for (name, value, kinds) in [
            ("", "hush-hush", &["k"][..]),
            ("a/b", "hush-hush", &["k"]),
            (&"x".repeat(65), "hush-hush", &["k"]),
            ("a", "short", &["k"]),
            ("a", &"x".repeat((64 << 10) + 1), &["k"]),
            ("a", "hush-hush", &[]),
            ("a", "hush-hush", &["*"]),
        ] {
            let refused = set(&file, name, value, kinds);
            assert!(
                matches!(refused, Err(Error::BadSecret(_))),
                "{name} {kinds:?}"
            );
        }
    }

    #[test]
    fn the_file_is_private_and_no_other_is_read() {
        let (folder, file) = file();
        set(&file, "one", "hush-hush", &["k"]).expect("set");
        let path = folder.path().join("secrets.json");
        let mode = fs::metadata(&path).expect("there").mode() & 0o777;
        assert_eq!(mode, 0o600);
        fs::set_permissions(&path, fs::Permissions::from_mode(0o640)).expect("opened");
        assert!(matches!(file.list(), Err(Error::NotPrivate { .. })));
        assert!(file.reveal("one", "k").is_err());
        fs::set_permissions(&path, fs::Permissions::from_mode(0o600)).expect("closed");
        fs::write(&path, r#"{"secrets": "hush-hush"}"#).expect("broken");
        let error = file.list().expect_err("no sound file").to_string();
        assert!(!error.contains("hush"), "{error}");
        assert!(
            set(&file, "two", "hush-hush", &["k"]).is_err(),
            "not overwritten"
        );
    }

    #[test]
    fn changes_at_once_are_all_kept() {
        let (_folder, file) = file();
        std::thread::scope(|scope| {
            for number in 0..8 {
                let file = &file;
                scope.spawn(move || set(file, &format!("s{number}"), "hush-hush", &["k"]));
            }
        });
        assert_eq!(file.list().expect("all").len(), 8);
    }
}
