//! Fetches one blob into a file, in pieces, several at a time, so that it can be stopped at any moment and go on later.
//!
//! Invariant: a piece is reported as saved only after its bytes were written to their place in the file and synced, so a
//! saved [`Pieces`] never names bytes that a crash could take away; and a piece once saved is never asked for again.
//! Whether the bytes are those of the blob is for the caller to verify once all are there.

mod file;
mod pieces;
mod progress;
mod run;

use std::{future::Future, io, path::PathBuf, time::Duration};

use tokio_util::sync::CancellationToken;

pub use self::pieces::{InvalidPieces, MAX_PIECES, Pieces};
use crate::{
    aggregator::{self, Aggregator, Retry},
    blob_id::BlobId,
};

/// The longest wait before an attempt, also when the server asks for a longer one.
const LONGEST_WAIT: Duration = Duration::from_mins(15);

/// An error of an [`Observer`].
pub type BoxError = Box<dyn std::error::Error + Send + Sync>;

/// How to fetch.
#[derive(Clone, Debug)]
pub struct Options {
    attempts: u32,
    backoff: Duration,
    longest_backoff: Duration,
    streams: usize,
    small: bool,
}

impl Default for Options {
    fn default() -> Self {
        Self {
            attempts: 3,
            backoff: Duration::from_millis(500),
            longest_backoff: Duration::from_secs(30),
            streams: 4,
            small: false,
        }
    }
}

impl Options {
    /// Attempts for each piece, the first included; at least 1, 3 by default.
    #[must_use]
    pub fn attempts(mut self, attempts: u32) -> Self {
        self.attempts = attempts.max(1);
        self
    }

    /// The wait before attempt n+1 is a random part of `first` times 2^(n-1), of `longest` at most; 500 ms and 30 s by
    /// default. A server that asks for a longer wait gets it.
    #[must_use]
    pub fn backoff(mut self, first: Duration, longest: Duration) -> Self {
        self.backoff = first;
        self.longest_backoff = longest;
        self
    }

    /// Pieces fetched at a time; at least 1, 4 by default.
    #[must_use]
    pub fn streams(mut self, streams: usize) -> Self {
        self.streams = streams.clamp(1, 64);
        self
    }

    /// The blob is likely no larger than one piece: ask for the whole at once instead of its length first.
    #[must_use]
    pub fn small(mut self, small: bool) -> Self {
        self.small = small;
        self
    }

    /// The wait after `failed` attempts, and no shorter than the server asked for.
    fn wait(&self, failed: u32, asked: Option<Duration>) -> Duration {
        let doubled = 2_u32.saturating_pow(failed.saturating_sub(1));
        let most = self
            .backoff
            .saturating_mul(doubled)
            .min(self.longest_backoff);
        most.mul_f64(fastrand::f64())
            .max(asked.unwrap_or_default())
            .min(LONGEST_WAIT)
    }
}

/// What is told while a blob is fetched. `()` listens to nothing.
pub trait Observer: Sync {
    /// So many bytes of the blob are here, those of unfinished pieces included; never fewer than before. The total is
    /// missing where the server does not tell.
    fn progress(&self, done: u64, total: Option<u64>) {
        let _ = (done, total);
    }

    /// An attempt failed, and another follows.
    fn retrying(&self, retrying: &Retrying<'_>) {
        let _ = retrying;
    }

    /// More pieces are safely on disk: the state to go on from. The download waits for this call when it falls behind.
    ///
    /// # Errors
    /// An error ends the download.
    fn saved(&self, pieces: &Pieces) -> impl Future<Output = Result<(), BoxError>> + Send {
        let _ = pieces;
        std::future::ready(Ok(()))
    }
}

impl Observer for () {}

/// An attempt that failed and the one that follows.
#[derive(Debug)]
#[non_exhaustive]
pub struct Retrying<'a> {
    /// The number of the attempt that follows, from 2.
    pub attempt: u32,
    /// Attempts in total.
    pub of: u32,
    /// Why the last attempt failed.
    pub error: &'a aggregator::Error,
    /// The wait before the attempt.
    pub wait: Duration,
}

/// A blob that is in its file, whole and synced.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct Fetched {
    /// The pieces, all of them done.
    pub pieces: Pieces,
    /// Attempts that failed on the way.
    pub retries: u32,
}

/// Why a blob was not fetched. What was saved until then stays.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum Error {
    /// The aggregator did not give the bytes.
    #[error("{source} (attempt {attempts})")]
    Fetch {
        /// Why the last attempt failed.
        source: aggregator::Error,
        /// Attempts made.
        attempts: u32,
    },
    /// The file could not be written.
    #[error("could not write {path}: {source}")]
    File {
        /// The file.
        path: PathBuf,
        /// What the system said.
        source: io::Error,
    },
    /// The state could not be kept.
    #[error("could not keep the state of the download: {0}")]
    Observer(#[source] BoxError),
    /// The caller asked to stop.
    #[error("the download was cancelled")]
    Cancelled,
}

impl Error {
    /// Whether a new download may succeed where this one failed, and when.
    pub fn retry(&self) -> Retry {
        match self {
            Self::Fetch { source, .. } => source.retry(),
            Self::File { .. } | Self::Observer(_) => Retry::After(None),
            Self::Cancelled => Retry::Never,
        }
    }
}

/// Fetches a blob into the file at `path`, which is made if it is missing, and returns when all of it is synced.
///
/// `saved` is the last state given to [`Observer::saved`]; it is used if it is of this blob and the file is as it was
/// left, otherwise the file is emptied and the blob fetched from its start. Dropping the future stops the download; a
/// cancelled one first reports what is written.
///
/// # Errors
/// [`Error`]; what was saved until then stays in the file.
pub async fn fetch<O: Observer>(
    aggregator: &Aggregator,
    blob: BlobId,
    path: impl Into<PathBuf>,
    saved: Option<Pieces>,
    options: &Options,
    observer: &O,
    cancel: &CancellationToken,
) -> Result<Fetched, Error> {
    run::Run::new(aggregator, blob, path.into(), options, observer, cancel)
        .fetch(saved)
        .await
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn waits_grow_to_their_limit_and_honour_the_server() {
        let second = Duration::from_secs(1);
        let options = Options::default().backoff(second, 10 * second);
        for failed in 1..40 {
            let most = (second * 2_u32.saturating_pow(failed - 1).min(10)).min(10 * second);
            assert!(options.wait(failed, None) <= most, "{failed}");
        }
        let longest = (0..200).map(|_| options.wait(20, None)).max();
        assert!(longest > Some(5 * second));
        assert_eq!(options.wait(1, Some(7 * second)), 7 * second);
        assert_eq!(options.wait(1, Some(Duration::MAX)), LONGEST_WAIT);
    }
}
