//! The folder that holds the jobs, their server's socket, lock and log.
//!
//! Invariant: it belongs to the user who runs the command and is closed to everybody else, or it is not used.

use std::{
    fs,
    io::{self, ErrorKind},
    os::unix::fs::{DirBuilderExt, MetadataExt, OpenOptionsExt, PermissionsExt},
    path::{Path, PathBuf},
};

use crate::exit::{Fail, Result};

/// Longest path of a unix socket, in bytes: `sun_path` with its end.
const MAX_SOCKET_PATH: usize = 107;

/// A data folder that was checked.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct DataDir {
    path: PathBuf,
}

impl DataDir {
    /// The folder at `path`, absolute; made when missing, with mode 0700.
    pub fn open(path: &Path) -> Result<Self> {
        let mut builder = fs::DirBuilder::new();
        builder.recursive(true).mode(0o700);
        if let Err(error) = builder.create(path) {
            return Err(Fail::failed(format!(
                "the data folder {} can not be made: {error}",
                path.display()
            ))
            .hint("Choose another with LONGHAUL_DATA_DIR or --data-dir."));
        }
        let path = fs::canonicalize(path).map_err(|error| Fail::io(path.display(), &error))?;
        check(&path)?;
        Ok(Self { path })
    }

    /// The folder itself.
    pub fn path(&self) -> &Path {
        &self.path
    }

    /// The jobs.
    pub fn database(&self) -> PathBuf {
        self.path.join("jobs.db")
    }

    /// Files of jobs, where they are not in the file's own place.
    pub fn artifacts(&self) -> PathBuf {
        self.path.join("artifacts")
    }

    /// Scratch folders of jobs, where they are not in the file's own place.
    pub fn scratch(&self) -> PathBuf {
        self.path.join("scratch")
    }

    /// The secrets that jobs name.
    pub fn secrets(&self) -> PathBuf {
        self.path.join("secrets.json")
    }

    /// Verified blobs that are kept for a while.
    pub fn results(&self) -> PathBuf {
        self.path.join("results")
    }

    /// Where the server listens.
    pub fn socket(&self) -> PathBuf {
        self.path.join("longhaul.sock")
    }

    /// What a server that was started in the background says.
    pub fn log(&self) -> PathBuf {
        self.path.join("serve.log")
    }

    /// Held by the one command that starts a server.
    pub fn start_lock(&self) -> PathBuf {
        self.path.join("start.lock")
    }

    /// A file of this folder, made when missing, that only its user can read.
    pub fn private_file(path: &Path) -> io::Result<fs::File> {
        fs::OpenOptions::new()
            .create(true)
            .append(true)
            .read(true)
            .mode(0o600)
            .open(path)
    }
}

/// What is wrong with the folder at `path`, if anything.
pub fn check(path: &Path) -> Result {
    let shown = path.display();
    let metadata = match fs::metadata(path) {
        Ok(metadata) => metadata,
        Err(error) if error.kind() == ErrorKind::NotFound => {
            return Err(Fail::not_found(format!("{shown} does not exist")));
        }
        Err(error) => return Err(Fail::io(shown, &error)),
    };
    if !metadata.is_dir() {
        return Err(Fail::failed(format!("{shown} is no folder")));
    }
    check_owner(path, metadata.uid(), rustix::process::geteuid().as_raw())?;
    let mode = metadata.permissions().mode() & 0o777;
    if mode & 0o077 != 0 {
        return Err(Fail::failed(format!(
            "the data folder {shown} is open to other users (mode {mode:04o})"
        ))
        .hint(format!("Close it with: chmod 700 '{shown}'")));
    }
    let socket = path.join("longhaul.sock");
    if socket.as_os_str().len() > MAX_SOCKET_PATH {
        return Err(Fail::failed(format!(
            "the path of the data folder {shown} is too long for a socket: {} bytes, {MAX_SOCKET_PATH} at most",
            socket.as_os_str().len()
        ))
        .hint("Choose a shorter one with LONGHAUL_DATA_DIR or --data-dir."));
    }
    Ok(())
}

fn check_owner(path: &Path, owner: u32, own: u32) -> Result {
    if owner == own {
        return Ok(());
    }
    Err(Fail::failed(format!(
        "the data folder {} belongs to another user (uid {owner}, you are {own})",
        path.display()
    ))
    .hint("Choose one of your own with LONGHAUL_DATA_DIR or --data-dir."))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_new_folder_is_closed_to_others_and_an_open_one_refused() {
        let root = tempfile::tempdir().expect("folder");
        let path = root.path().join("a/b");
        let folder = DataDir::open(&path).expect("made");
        let mode = fs::metadata(folder.path()).expect("there").mode() & 0o777;
        assert_eq!(mode, 0o700);
        fs::set_permissions(&path, fs::Permissions::from_mode(0o750)).expect("chmod");
        let error = DataDir::open(&path).expect_err("refused");
        assert!(
            error.message.contains("open to other users (mode 0750)"),
            "{error:?}"
        );
        assert!(error.hint.expect("hint").contains("chmod 700"));
    }

    #[test]
    fn another_users_folder_is_refused() {
        let error = check_owner(Path::new("/x"), 0, 1000).expect_err("refused");
        assert!(error.message.contains("belongs to another user"));
    }

    #[test]
    fn a_path_too_long_for_a_socket_is_refused() {
        let root = tempfile::tempdir().expect("folder");
        let error = DataDir::open(&root.path().join("x".repeat(120))).expect_err("refused");
        assert!(error.message.contains("too long"), "{error:?}");
    }
}
