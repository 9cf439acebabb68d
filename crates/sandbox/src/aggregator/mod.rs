//! A Walrus aggregator over a folder of blobs, each file named by its blob ID.
//!
//! Invariant: only well-formed blob IDs are looked up, so that no request reaches a file outside the folder; a blob is
//! streamed from disk and never held whole.
//!
//! ```no_run
//! # async fn example() -> Result<(), Box<dyn std::error::Error>> {
//! use longhaul_sandbox::aggregator::{Aggregator, Fault, Rule};
//!
//! let sandbox = Aggregator::start("blobs").await?;
//! sandbox.faults().add(Rule::new(Fault::Disconnect { after: 1000 }).times(2));
//! // … fetch from sandbox.url() …
//! assert_eq!(sandbox.requests().len(), 3);
//! sandbox.stop().await;
//! # Ok(()) }
//! ```

mod admin;
mod answer;
mod body;
mod faults;
mod name;
mod range;
mod request;
mod routes;

use std::{
    io,
    net::SocketAddr,
    path::{Path, PathBuf},
    sync::Arc,
};

use axum::serve::ListenerExt as _;
use tokio::net::TcpListener;
use tokio_util::sync::CancellationToken;

pub use self::{
    faults::{Fault, Faults, Rule},
    name::{BlobName, InvalidName},
    request::Request,
};
use crate::{
    journal::Journal,
    running::{Running, listen},
};
pub use crate::{journal::MAX_REQUESTS, rules::MAX_RULES};

/// Why the stand-in could not start or take a blob.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum Error {
    /// The folder of blobs is missing or is no folder.
    #[error("{folder} is not a folder of blobs: {source}")]
    Folder {
        /// The folder given.
        folder: PathBuf,
        /// What the system said.
        source: io::Error,
    },
    /// The address could not be listened on.
    #[error("could not listen on {address}: {source}")]
    Listen {
        /// The address.
        address: SocketAddr,
        /// What the system said.
        source: io::Error,
    },
    /// A blob could not be written into the folder.
    #[error("could not store a blob: {0}")]
    Store(#[source] io::Error),
    /// The name is no blob ID.
    #[error(transparent)]
    Name(#[from] InvalidName),
}

/// How to start an [`Aggregator`].
#[derive(Clone, Debug)]
pub struct Options {
    folder: PathBuf,
    port: u16,
}

impl Options {
    /// Serve the blobs of this folder on a port of the system's choice.
    pub fn new(folder: impl Into<PathBuf>) -> Self {
        Self {
            folder: folder.into(),
            port: 0,
        }
    }

    /// Listen on this port of 127.0.0.1; 0 lets the system choose.
    #[must_use]
    pub fn port(mut self, port: u16) -> Self {
        self.port = port;
        self
    }

    /// Starts the service on the current runtime.
    ///
    /// # Errors
    /// [`Error::Folder`] and [`Error::Listen`].
    pub async fn start(self) -> Result<Aggregator, Error> {
        let folder_error = |source| Error::Folder {
            folder: self.folder.clone(),
            source,
        };
        let metadata = tokio::fs::metadata(&self.folder)
            .await
            .map_err(folder_error)?;
        if !metadata.is_dir() {
            return Err(folder_error(io::ErrorKind::NotADirectory.into()));
        }
        let (listener, address) = listen(self.port)
            .await
            .map_err(|(address, source)| Error::Listen { address, source })?;
        let shared = Arc::new(Shared {
            folder: self.folder,
            faults: Faults::default(),
            journal: Journal::default(),
            stop: CancellationToken::new(),
        });
        let stop = shared.stop.clone();
        let running = Running::start(address, stop, serve(listener, Arc::clone(&shared)));
        Ok(Aggregator { shared, running })
    }
}

/// A running stand-in. Dropping it cuts its transfers and stops it.
#[derive(Debug)]
pub struct Aggregator {
    shared: Arc<Shared>,
    running: Running,
}

impl Aggregator {
    /// Serves the blobs of this folder on a port of the system's choice.
    ///
    /// # Errors
    /// [`Error::Folder`] and [`Error::Listen`].
    pub async fn start(folder: impl Into<PathBuf>) -> Result<Self, Error> {
        Options::new(folder).start().await
    }

    /// The base address, such as `http://127.0.0.1:40123`, without a slash at its end.
    pub fn url(&self) -> String {
        self.running.url()
    }

    /// The address listened on.
    pub fn address(&self) -> SocketAddr {
        self.running.address()
    }

    /// The folder of blobs.
    pub fn folder(&self) -> &Path {
        &self.shared.folder
    }

    /// Stores a blob under its ID; an older one of that name is replaced.
    ///
    /// # Errors
    /// [`Error::Name`] when the ID is not well-formed, and [`Error::Store`].
    pub fn put(&self, id: &str, bytes: &[u8]) -> Result<(), Error> {
        let name: BlobName = id.parse()?;
        std::fs::write(self.shared.folder.join(name.as_str()), bytes).map_err(Error::Store)
    }

    /// The faults to answer with, empty at first.
    pub fn faults(&self) -> &Faults {
        &self.shared.faults
    }

    /// The requests for blobs so far, in the order their answers began; at most the last [`MAX_REQUESTS`].
    pub fn requests(&self) -> Vec<Request> {
        self.shared.journal.list()
    }

    /// Forgets the requests so far.
    pub fn clear_requests(&self) {
        self.shared.journal.clear();
    }

    /// Stops listening, cuts the transfers under way and returns when all connections are closed.
    pub async fn stop(self) {
        self.running.stop().await;
    }

    /// Waits until the service ends, which it does only when it is stopped or dropped.
    pub async fn ended(&mut self) {
        self.running.ended().await;
    }
}

/// What the routes share.
#[derive(Debug)]
struct Shared {
    folder: PathBuf,
    faults: Faults,
    journal: Journal<Request>,
    stop: CancellationToken,
}

async fn serve(listener: TcpListener, shared: Arc<Shared>) {
    let stop = shared.stop.clone();
    // Without TCP_NODELAY the last packet of each small blob would wait for the acknowledgement of the one before it.
    let listener = listener.tap_io(|stream| {
        let _ = stream.set_nodelay(true);
    });
    let served = axum::serve(listener, routes::router(shared))
        .with_graceful_shutdown(async move { stop.cancelled().await })
        .await;
    debug_assert!(served.is_ok(), "axum's accept loop retries every error");
}
