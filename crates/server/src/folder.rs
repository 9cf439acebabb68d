//! Folders and sockets that are this user's alone.
//!
//! Invariant: a socket is made only inside a folder that belongs to this user and that nobody else can enter.

use std::{
    fs::{self, DirBuilder, File, Permissions},
    io,
    os::unix::{
        fs::{DirBuilderExt, FileTypeExt, MetadataExt, PermissionsExt},
        net::UnixStream,
    },
    path::{Path, PathBuf},
};

use tokio::net::UnixListener;

use crate::Error;

const ROOT: u32 = 0;

/// Bytes that the system has room for in a socket's path.
const LONGEST: usize = 107;

/// Makes `path` a folder that is this user's alone, mode 0700, with what is missing above it.
///
/// Errors: [`Error::Foreign`], and [`Error::NotPrivate`] where the rights of others can not be taken away.
pub fn secure_folder(path: &Path) -> Result<(), Error> {
    DirBuilder::new()
        .recursive(true)
        .mode(0o700)
        .create(path)
        .map_err(Error::io(path))?;
    let metadata = fs::metadata(path).map_err(Error::io(path))?;
    let me = rustix::process::geteuid().as_raw();
    if metadata.uid() != me {
        return Err(Error::Foreign {
            path: path.to_owned(),
            owner: metadata.uid(),
            me,
        });
    }
    if private(metadata.mode()) {
        return Ok(());
    }
    // Some file systems keep their own rights, with or without an error: what counts is what is seen after.
    let changed = fs::set_permissions(path, Permissions::from_mode(0o700));
    let mode = fs::metadata(path).map_err(Error::io(path))?.mode();
    if private(mode) {
        changed.map_err(Error::io(path))
    } else {
        Err(Error::NotPrivate {
            path: path.to_owned(),
            mode: mode & 0o777,
        })
    }
}

/// Opens a file that holds a secret, and so must be this user's alone; or root's, which a group may read besides, as where a
/// machine's administrator hands it over.
///
/// Errors: [`Error::Foreign`] and [`Error::NotPrivate`].
pub(crate) fn open_private(path: &Path) -> Result<File, Error> {
    let file = File::open(path).map_err(Error::io(path))?;
    // Of the open file: the name could point elsewhere by now.
    let metadata = file.metadata().map_err(Error::io(path))?;
    let me = rustix::process::geteuid().as_raw();
    let (owner, mode) = (metadata.uid(), metadata.mode());
    if owner != me && owner != ROOT {
        return Err(Error::Foreign {
            path: path.to_owned(),
            owner,
            me,
        });
    }
    if is_secret(owner, me, mode) {
        return Ok(file);
    }
    Err(Error::NotPrivate {
        path: path.to_owned(),
        mode: mode & 0o777,
    })
}

/// Whether what is in a file of this owner and mode is known to nobody but root, this user, and those root let read it.
fn is_secret(owner: u32, me: u32, mode: u32) -> bool {
    const MORE_THAN_A_GROUP_READS: u32 = 0o037;
    private(mode) || owner == ROOT && me != ROOT && mode & MORE_THAN_A_GROUP_READS == 0
}

/// Whether a file of this mode is its owner's alone.
fn private(mode: u32) -> bool {
    const OTHERS: u32 = 0o077;
    mode & OTHERS == 0
}

/// A listener on a socket file that goes when this is dropped.
#[derive(Debug)]
pub(crate) struct Socket {
    pub(crate) listener: UnixListener,
    pub(crate) file: SocketFile,
}

/// The socket's file. Removed when dropped, unless another took its place.
#[derive(Debug)]
pub(crate) struct SocketFile {
    path: PathBuf,
    inode: (u64, u64),
}

impl Socket {
    /// Listens on `path`, mode 0600, in a folder that is this user's alone. A socket that nobody listens on is replaced:
    /// the caller holds the lock that says so.
    pub(crate) fn bind(path: &Path) -> Result<Self, Error> {
        if path.as_os_str().len() > LONGEST {
            return Err(Error::LongPath(path.to_owned()));
        }
        let folder = path.parent().unwrap_or(Path::new("."));
        secure_folder(folder)?;
        match fs::symlink_metadata(path) {
            Ok(metadata) if !metadata.file_type().is_socket() => {
                return Err(Error::NotASocket(path.to_owned()));
            }
            Ok(_) if UnixStream::connect(path).is_ok() => {
                return Err(Error::InUse(path.to_owned()));
            }
            Ok(_) => fs::remove_file(path).map_err(Error::io(path))?,
            Err(error) if error.kind() == io::ErrorKind::NotFound => {}
            Err(error) => return Err(Error::io(path)(error)),
        }
        let listener = UnixListener::bind(path).map_err(Error::io(path))?;
        fs::set_permissions(path, Permissions::from_mode(0o600)).map_err(Error::io(path))?;
        let metadata = fs::symlink_metadata(path).map_err(Error::io(path))?;
        Ok(Self {
            listener,
            file: SocketFile {
                path: path.to_owned(),
                inode: (metadata.dev(), metadata.ino()),
            },
        })
    }
}

impl Drop for SocketFile {
    fn drop(&mut self) {
        let ours = fs::symlink_metadata(&self.path)
            .is_ok_and(|metadata| (metadata.dev(), metadata.ino()) == self.inode);
        if ours && let Err(error) = fs::remove_file(&self.path) {
            tracing::warn!(path = %self.path.display(), %error, "the socket stays; the next start replaces it");
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_folder_is_made_private_and_stays_so() {
        let temporary = tempfile::tempdir().expect("a folder");
        let path = temporary.path().join("a/b");
        secure_folder(&path).expect("made");
        let mode = |path: &Path| fs::metadata(path).expect("metadata").mode() & 0o777;
        assert_eq!(mode(&path), 0o700);
        fs::set_permissions(&path, Permissions::from_mode(0o755)).expect("changed");
        secure_folder(&path).expect("made private again");
        assert_eq!(mode(&path), 0o700);
    }

    #[tokio::test]
    async fn a_socket_replaces_a_dead_one_and_nothing_else() {
        let temporary = tempfile::tempdir().expect("a folder");
        let path = temporary.path().join("socket");
        fs::write(&path, "precious").expect("written");
        assert!(matches!(Socket::bind(&path), Err(Error::NotASocket(_))));
        assert_eq!(fs::read(&path).expect("read"), b"precious");
        fs::remove_file(&path).expect("removed");

        drop(std::os::unix::net::UnixListener::bind(&path).expect("a dead socket"));
        let socket = Socket::bind(&path).expect("replaced");
        assert!(matches!(Socket::bind(&path), Err(Error::InUse(_))));
        let mode = fs::metadata(&path).expect("metadata").mode() & 0o777;
        assert_eq!(mode, 0o600);
        drop(socket);
        assert!(!path.exists());
    }

    #[test]
    fn a_secret_may_be_handed_over_by_root_to_a_group() {
        let (root, me) = (0, 1000);
        assert!(is_secret(me, me, 0o600) && is_secret(me, me, 0o400));
        assert!(is_secret(root, me, 0o640) && is_secret(root, me, 0o440));
        for mode in [0o660, 0o644, 0o604, 0o650] {
            assert!(!is_secret(root, me, mode), "{mode:o}");
        }
        assert!(
            !is_secret(me, me, 0o640),
            "its own group is nobody's choice"
        );
        assert!(!is_secret(root, root, 0o640), "nor is root's own");
    }

    #[test]
    fn a_folder_of_another_user_is_refused() {
        // The root folder belongs to root; root itself can not be shown another's folder without making one.
        if rustix::process::geteuid().is_root() {
            let temporary = tempfile::tempdir().expect("a folder");
            std::os::unix::fs::chown(temporary.path(), Some(1), None).expect("given away");
            let refused = secure_folder(temporary.path());
            assert!(matches!(refused, Err(Error::Foreign { owner: 1, .. })));
        } else {
            assert!(matches!(
                secure_folder(Path::new("/")),
                Err(Error::Foreign { owner: 0, .. })
            ));
        }
    }
}
