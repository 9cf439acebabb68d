//! One item of a retrieval: a blob fetched into scratch, or taken from the result cache, verified, and delivered.
//!
//! Invariant: a blob that stands several times in a list is fetched once, and counts as often as it stands there.

use std::{
    collections::HashMap,
    fs::{self, File},
    num::NonZeroUsize,
    path::{Path, PathBuf},
    sync::Arc,
};

use longhaul::{Context, Failure, context::ItemError};
use serde::{Deserialize, Serialize};
use tokio::sync::{Mutex, MutexGuard};

use super::{
    Retrieve, RetrieveArgs,
    deliver::remove,
    plan::{Entry, State, not_found},
    tally::Tally,
};
use crate::{
    aggregator::{self, Aggregator, Retry},
    blob_id::{self, BlobId, Shards},
    cache::Cache,
    download::{self, BoxError, Observer, Pieces, Retrying},
    machine::{Gate, run_apart},
};

/// A blob of at most this size is verified on one thread, and looked into for a todo.
pub(super) const SMALL: u64 = 4 << 20;

/// What an item gave.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Got {
    /// The blob.
    pub blob_id: BlobId,
    /// Its bytes.
    pub bytes: u64,
    /// The file, where a folder was asked for.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub file: Option<PathBuf>,
    /// Whether it came from the result cache.
    #[serde(default)]
    pub cached: bool,
}

/// What the items of a run share.
pub(super) struct Fetcher<'a> {
    pub(super) handler: &'a Retrieve,
    pub(super) args: &'a RetrieveArgs,
    pub(super) job: &'a Context,
    pub(super) aggregator: &'a Aggregator,
    pub(super) entries: &'a [Entry],
    pub(super) state: &'a State,
    pub(super) tally: &'a Tally<'a>,
    /// Lets through as many items at a time as are allowed now.
    pub(super) gate: &'a Arc<Gate>,
    pub(super) twins: Twins<'a>,
}

/// The blobs that stand several times in a list: one entry at a time, and what the first gave is for all.
pub(super) struct Twins<'a>(HashMap<&'a str, Mutex<Option<Got>>>);

impl<'a> Twins<'a> {
    pub(super) fn of(entries: &'a [Entry]) -> Self {
        let mut times = HashMap::new();
        for entry in entries {
            *times.entry(entry.blob.as_str()).or_insert(0) += 1;
        }
        let twins = times.into_iter().filter(|(_, times)| *times > 1);
        Self(twins.map(|(blob, _)| (blob, Mutex::default())).collect())
    }

    /// This entry's turn, and what a twin gave before.
    async fn turn(&self, entry: &Entry) -> Option<MutexGuard<'_, Option<Got>>> {
        Some(self.0.get(entry.blob.as_str())?.lock().await)
    }
}

impl Fetcher<'_> {
    /// Retrieves one entry, unless an earlier run has.
    pub(super) async fn item(&self, entry: &Entry) -> Result<Got, ItemError> {
        let _pass = tokio::select! {
            pass = self.gate.enter(1) => pass,
            stop = self.job.stopped() => return Err(stop.into()),
        };
        let mut twin = self.twins.turn(entry).await;
        let before = twin.as_deref().cloned().flatten();
        let item = self.job.item(&entry.name).attempts(self.args.attempts);
        let result = item
            .run(async |attempt| {
                if attempt == 1 {
                    self.tally.began(entry);
                }
                let got = match &before {
                    Some(got) => got.clone(),
                    None => self.retrieve(entry).await?,
                };
                self.state.forget(entry.number);
                self.tally.retrieved(entry);
                Ok(got)
            })
            .await;
        match (&result, &mut twin) {
            (Ok(got), Some(twin)) => **twin = Some(got.clone()),
            (Err(ItemError::Failed(error)), _) => self.tally.failed(entry, &error.message),
            _ => {}
        }
        result
    }

    async fn retrieve(&self, entry: &Entry) -> Result<Got, Failure> {
        let blob: BlobId = entry.blob.parse().map_err(|_| not_found(&entry.blob))?;
        let part = self
            .job
            .scratch()
            .await?
            .join(format!("{}.part", entry.number));
        let saved = self.state.pieces(entry.number);
        if let Some(got) = self.delivered(entry, blob, &part, saved.as_ref()).await? {
            return Ok(got);
        }
        let cached = match saved {
            None => self.cached(blob, &part).await?,
            Some(_) => None,
        };
        let bytes = if let Some(bytes) = cached {
            self.tally.cached(entry);
            bytes
        } else {
            let bytes = self.fetch(entry, blob, &part, saved).await?;
            self.verify(entry, blob, &part, bytes).await?;
            self.keep(blob, &part, bytes).await?;
            bytes
        };
        self.join_list(entry, &part, blob, bytes).await?;
        let file = self.deliver(entry, &part, blob).await?;
        Ok(Got {
            blob_id: blob,
            bytes,
            file,
            cached: cached.is_some(),
        })
    }

    /// Computes the ID anew from the bytes. Wrong ones are dropped.
    async fn verify(
        &self,
        entry: &Entry,
        blob: BlobId,
        part: &Path,
        bytes: u64,
    ) -> Result<(), Failure> {
        self.tally.verifying();
        if self.id_of(part, bytes).await? == blob {
            return Ok(());
        }
        self.start_over(entry, part).await?;
        Err(Failure::retry(
            "wrong_bytes",
            format!(
                "the aggregator's bytes are not those of the blob {blob}; nothing was delivered"
            ),
        ))
    }

    fn cache(&self) -> Option<Cache> {
        let wanted = self.args.cache_bytes > 0;
        self.handler.cache.clone().filter(|_| wanted)
    }

    /// The bytes of the blob, when they were verified less than an hour ago and are in `part` now.
    async fn cached(&self, blob: BlobId, part: &Path) -> Result<Option<u64>, Failure> {
        let Some(cache) = self.cache() else {
            return Ok(None);
        };
        let (part, now) = (part.to_owned(), self.job.now());
        let cancel = self.job.cancellation();
        let taken = tokio::task::spawn_blocking(move || {
            cache.take(blob, &part, now, &|| cancel.is_cancelled())
        });
        // It can be had otherwise.
        Ok(taken.await?.unwrap_or_else(|error| {
            tracing::warn!(%blob, %error, "not taken from the result cache");
            None
        }))
    }

    /// Keeps a verified blob for quick re-access.
    async fn keep(&self, blob: BlobId, part: &Path, bytes: u64) -> Result<(), Failure> {
        let limit = self.args.cache_bytes;
        let Some(cache) = self.cache().filter(|_| bytes <= limit) else {
            return Ok(());
        };
        let (part, now) = (part.to_owned(), self.job.now());
        let kept = tokio::task::spawn_blocking(move || cache.put(blob, &part, now, limit));
        if let Err(error) = kept.await? {
            tracing::warn!(%blob, %error, "not kept in the result cache");
        }
        Ok(())
    }

    async fn fetch(
        &self,
        entry: &Entry,
        blob: BlobId,
        part: &Path,
        saved: Option<Pieces>,
    ) -> Result<u64, Failure> {
        // The todos of a list are small: each in one request.
        let options = download::Options::default()
            .attempts(self.args.attempts)
            .small(self.entries.len() > 1);
        let watch = Watch {
            fetcher: self,
            entry,
        };
        let cancel = self.job.cancellation();
        let fetched = download::fetch(
            self.aggregator,
            blob,
            part,
            saved,
            &options,
            &watch,
            &cancel,
        )
        .await
        .map_err(|error| fetch_failure(&error, blob))?;
        Ok(fetched.pieces.total())
    }

    /// What an earlier run delivered and had no time to say.
    async fn delivered(
        &self,
        entry: &Entry,
        blob: BlobId,
        part: &Path,
        saved: Option<&Pieces>,
    ) -> Result<Option<Got>, Failure> {
        let (Some(pieces), Some(output)) = (saved, &self.args.output) else {
            return Ok(None);
        };
        let file = output.join(blob.to_string());
        let bytes = pieces.total();
        let there = fs::metadata(&file).is_ok_and(|file| file.len() == bytes);
        if !pieces.is_complete() || part.exists() || !there {
            return Ok(None);
        }
        if self.id_of(&file, bytes).await? != blob {
            return Ok(None);
        }
        self.state.forget(entry.number);
        Ok(Some(Got {
            blob_id: blob,
            bytes,
            file: Some(file),
            cached: false,
        }))
    }

    /// Computes the ID of a file's bytes, on as many threads as its size is worth and the machine allows.
    async fn id_of(&self, file: &Path, bytes: u64) -> Result<BlobId, Failure> {
        let threads = &self.handler.threads;
        let wanted = if bytes <= SMALL { 1 } else { threads.most() };
        let pass = tokio::select! {
            pass = threads.enter(wanted) => pass,
            stop = self.job.stopped() => return Err(stop.into()),
        };
        let (path, cancel) = (file.to_owned(), self.job.cancellation());
        let scratch = self.job.scratch().await?;
        let computed = run_apart(self.args.full_speed, move || {
            let file = File::open(&path).map_err(blob_id::Error::Read)?;
            let options = blob_id::Options {
                shards: Shards::default(),
                threads: NonZeroUsize::new(pass.count()).unwrap_or(NonZeroUsize::MIN),
                scratch: Some(&scratch),
                cancelled: &|| cancel.is_cancelled(),
                ..blob_id::Options::default()
            };
            blob_id::compute(&file, bytes, &options)
        });
        Ok(computed.await??)
    }

    /// Drops what is on disk of a blob, and the note of it: in that order a crash between leaves nothing wrong.
    async fn start_over(&self, entry: &Entry, part: &Path) -> Result<(), Failure> {
        remove(part)?;
        if self.state.pieces(entry.number).is_some() {
            self.state.save(self.job, entry.number, None).await?;
        }
        Ok(())
    }
}

/// Tells the job what happens to one blob.
struct Watch<'a> {
    fetcher: &'a Fetcher<'a>,
    entry: &'a Entry,
}

impl Observer for Watch<'_> {
    fn progress(&self, done: u64, total: Option<u64>) {
        self.fetcher.tally.bytes(done, total);
    }

    fn retrying(&self, retrying: &Retrying<'_>) {
        self.fetcher.tally.retrying(self.entry, retrying);
    }

    async fn saved(&self, pieces: &Pieces) -> Result<(), BoxError> {
        if pieces.count() <= 1 {
            // To fetch it again is less than to write it down, and there may be a thousand of them.
            return Ok(());
        }
        let Fetcher { state, job, .. } = self.fetcher;
        Ok(state.save(job, self.entry.number, Some(pieces)).await?)
    }
}

fn fetch_failure(error: &download::Error, blob: BlobId) -> Failure {
    if let download::Error::Fetch {
        source: aggregator::Error::NotFound(_),
        ..
    } = error
    {
        return not_found(&blob.to_string());
    }
    let code = match error {
        download::Error::Fetch { .. } => "fetch",
        download::Error::File { .. } => "scratch",
        download::Error::Observer(_) => "checkpoint",
        download::Error::Cancelled => "stopped",
    };
    // Its pieces were tried as often as was asked for: another go would only begin the count anew.
    match (error, error.retry()) {
        (download::Error::Fetch { .. }, _) | (_, Retry::Never) => {
            Failure::fatal(code, error.to_string())
        }
        _ => Failure::retry(code, error.to_string()),
    }
}
