//! Why a server can not start.

use std::{io, net::SocketAddr, path::PathBuf};

/// Why a server can not start.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum Error {
    /// A file or folder can not be used.
    #[error("{path}: {source}")]
    Io {
        /// Where.
        path: PathBuf,
        /// Why.
        source: io::Error,
    },
    /// The file or folder belongs to somebody else.
    #[error("{path} belongs to user {owner}, not to user {me} who runs this; use one of your own")]
    Foreign {
        /// The file or folder.
        path: PathBuf,
        /// Number of its owner.
        owner: u32,
        /// Number of this process's user.
        me: u32,
    },
    /// Others can read a file or folder that must be private.
    #[error(
        "{path} can be used by others (mode {mode:03o}); take their rights away with chmod go-rwx"
    )]
    NotPrivate {
        /// The file or folder.
        path: PathBuf,
        /// Its permission bits.
        mode: u32,
    },
    /// Something that is no socket lies where the socket should be.
    #[error("{0} exists and is no socket; move it away")]
    NotASocket(PathBuf),
    /// The system has no room for the socket's path.
    #[error(
        "{0} is too long for a unix socket, which has room for 107 bytes; choose a shorter folder"
    )]
    LongPath(PathBuf),
    /// A server answers on this socket already.
    #[error("a server listens on {0} already")]
    InUse(PathBuf),
    /// The address can not be listened on.
    #[error("can not listen on {address}: {source}")]
    Listen {
        /// The address.
        address: SocketAddr,
        /// Why.
        source: io::Error,
    },
    /// TCP without a token.
    #[error("a TCP port needs a token; give one, or open access for this machine alone")]
    NoToken,
    /// Open access on an address that others can reach.
    #[error("open access is for a loopback address alone, and {0} is none")]
    OpenBeyondLoopback(SocketAddr),
    /// A file of certificates or of a key can not be used.
    #[error("{path}: {why}; it must be PEM, as it comes from whoever issued the certificate")]
    BadPem {
        /// The file.
        path: PathBuf,
        /// Why.
        why: String,
    },
    /// The key is another certificate's.
    #[error(
        "{key} is not the key of the first certificate in {certificate}; give the two that belong together"
    )]
    KeyMismatch {
        /// File of the certificate.
        certificate: PathBuf,
        /// File of the key.
        key: PathBuf,
    },
    /// Neither a socket nor an address was given.
    #[error("a server needs a unix socket or a TCP address")]
    NoDoor,
    /// The tokens in the store can not be read.
    #[error("the tokens can not be read: {0}")]
    Tokens(#[from] longhaul::store::Error),
    /// The token is unusable.
    #[error("{path}: a token has 32 to 512 printable characters without spaces")]
    BadToken {
        /// Its file.
        path: PathBuf,
    },
    /// What was said of a secret can not be.
    #[error("a secret: {0}")]
    BadSecret(&'static str),
    /// The file of secrets is none.
    #[error("{0} is no file of secrets; move it away and set them anew")]
    BadSecretFile(PathBuf),
}

impl Error {
    pub(crate) fn io(path: impl Into<PathBuf>) -> impl FnOnce(io::Error) -> Self {
        let path = path.into();
        move |source| Self::Io { path, source }
    }
}
