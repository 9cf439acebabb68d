//! What the tests of downloads share: a sandbox with a blob, and an observer that remembers.
#![allow(dead_code, reason = "each test file uses its part")]

use std::{
    path::PathBuf,
    sync::{Mutex, PoisonError},
    time::Duration,
};

use longhaul_sandbox::aggregator::{Aggregator as Sandbox, Fault, Request, Rule};
use longhaul_walrus::{
    aggregator::{Aggregator, Options},
    blob_id::BlobId,
    download::{self, BoxError, Error, Fetched, Observer, Pieces, Retrying},
};
use tempfile::TempDir;
use tokio::sync::Notify;
use tokio_util::sync::CancellationToken;

/// Bytes of the blob of most tests: ten pieces.
pub(crate) const SIZE: usize = 10_000_000;

pub(crate) struct Setup {
    pub sandbox: Sandbox,
    pub aggregator: Aggregator,
    pub blob: BlobId,
    pub bytes: Vec<u8>,
    pub options: download::Options,
    pub folder: TempDir,
}

impl Setup {
    pub(crate) async fn new() -> Self {
        Self::with(SIZE).await
    }

    /// A sandbox with a blob of `size` bytes. Its ID is not that of its bytes, which nothing here looks at.
    pub(crate) async fn with(size: usize) -> Self {
        let folder = tempfile::tempdir().expect("a folder");
        let blobs = folder.path().join("blobs");
        std::fs::create_dir(&blobs).expect("a folder");
        let sandbox = Sandbox::start(blobs).await.expect("started");
        let blob = BlobId::from_bytes([9; 32]);
        let mut bytes = vec![0; size];
        fastrand::Rng::with_seed(7).fill(&mut bytes);
        sandbox.put(&blob.to_string(), &bytes).expect("stored");
        let aggregator = Options::new(sandbox.url()).connect().expect("a client");
        let millisecond = Duration::from_millis(1);
        Self {
            sandbox,
            aggregator,
            blob,
            bytes,
            options: download::Options::default().backoff(millisecond, millisecond),
            folder,
        }
    }

    /// The same blobs from another server, that remembers nothing and does not fail.
    pub(crate) async fn restart_sandbox(&mut self) {
        let folder = self.sandbox.folder().to_owned();
        self.sandbox = Sandbox::start(folder).await.expect("started");
        self.stall_timeout(Duration::from_secs(10));
    }

    /// Gives up a connection on which nothing comes after this time.
    pub(crate) fn stall_timeout(&mut self, timeout: Duration) {
        self.aggregator = Options::new(self.sandbox.url())
            .stall_timeout(timeout)
            .connect()
            .expect("a client");
    }

    pub(crate) fn path(&self) -> PathBuf {
        self.folder.path().join("fetched")
    }

    pub(crate) fn fault(&self, fault: Fault) {
        self.sandbox.faults().add(Rule::new(fault));
    }

    pub(crate) fn fault_times(&self, fault: Fault, times: u32) {
        self.sandbox.faults().add(Rule::new(fault).times(times));
    }

    pub(crate) async fn fetch(
        &self,
        saved: Option<Pieces>,
        observer: &Memory,
    ) -> Result<Fetched, Error> {
        download::fetch(
            &self.aggregator,
            self.blob,
            self.path(),
            saved,
            &self.options,
            observer,
            &observer.cancel,
        )
        .await
    }

    pub(crate) fn file(&self) -> Vec<u8> {
        std::fs::read(self.path()).expect("the file")
    }

    #[track_caller]
    pub(crate) fn assert_same(&self) {
        assert!(self.file() == self.bytes, "the file is not the blob");
    }
}

/// An observer that remembers all it is told.
#[derive(Default)]
pub(crate) struct Memory {
    pub cancel: CancellationToken,
    told: Mutex<Told>,
    /// Told after each saved state.
    pub changed: Notify,
    fail_at: Option<usize>,
    cancel_at: Option<usize>,
}

#[derive(Clone, Default)]
pub(crate) struct Told {
    pub progress: Vec<(u64, Option<u64>)>,
    pub retries: Vec<(u32, u32, String, Duration)>,
    pub saved: Vec<Pieces>,
}

impl Memory {
    /// Fails when it is given this state, counted from 1.
    pub(crate) fn fails_at(state: usize) -> Self {
        Self {
            fail_at: Some(state),
            ..Self::default()
        }
    }

    /// Cancels the download when it is given this state, counted from 1.
    pub(crate) fn cancels_at(state: usize) -> Self {
        Self {
            cancel_at: Some(state),
            ..Self::default()
        }
    }

    pub(crate) fn told(&self) -> Told {
        self.told
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
            .clone()
    }

    /// The last state saved, as it comes back from where it was stored.
    pub(crate) fn last_saved(&self) -> Option<Pieces> {
        let text = serde_json::to_string(self.told().saved.last()?).expect("text");
        Some(serde_json::from_str(&text).expect("a state"))
    }

    /// Waits until the last state has at least so many pieces done.
    pub(crate) async fn saved_at_least(&self, pieces: u64) {
        let wait = async {
            while self
                .last_saved()
                .is_none_or(|saved| saved.done_count() < pieces)
            {
                self.changed.notified().await;
            }
        };
        let waited = tokio::time::timeout(Duration::from_secs(10), wait).await;
        waited.expect("saved in time");
    }

    fn tell<T>(&self, with: impl FnOnce(&mut Told) -> T) -> T {
        with(&mut self.told.lock().unwrap_or_else(PoisonError::into_inner))
    }
}

impl Observer for Memory {
    fn progress(&self, done: u64, total: Option<u64>) {
        self.tell(|told| {
            let before = told.progress.last().map_or(0, |(done, _)| *done);
            assert!(done >= before, "progress fell from {before} to {done}");
            told.progress.push((done, total));
        });
    }

    fn retrying(&self, retrying: &Retrying<'_>) {
        self.tell(|told| {
            told.retries.push((
                retrying.attempt,
                retrying.of,
                retrying.error.to_string(),
                retrying.wait,
            ));
        });
    }

    async fn saved(&self, pieces: &Pieces) -> Result<(), BoxError> {
        let count = self.tell(|told| {
            told.saved.push(pieces.clone());
            told.saved.len()
        });
        self.changed.notify_one();
        if self.cancel_at == Some(count) {
            self.cancel.cancel();
        }
        if self.fail_at == Some(count) {
            return Err("no room for the state".into());
        }
        Ok(())
    }
}

/// The first and last byte a request asked for.
pub(crate) fn range(request: &Request) -> Option<(u64, u64)> {
    let (start, end) = request
        .range
        .as_deref()?
        .strip_prefix("bytes=")?
        .split_once('-')?;
    Some((start.parse().ok()?, end.parse().ok()?))
}
