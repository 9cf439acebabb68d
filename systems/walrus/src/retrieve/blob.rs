//! One item of a retrieval: a blob fetched into scratch, verified, and delivered under its final name.

use std::{
    fs::{self, File},
    io,
    num::NonZeroUsize,
    path::{Path, PathBuf},
    sync::Arc,
};

use bytes::Bytes;
use futures_util::{Stream, stream};
use longhaul::{Context, Failure, context::ItemError};
use serde::{Deserialize, Serialize};
use tokio::io::AsyncReadExt as _;

use super::{
    Retrieve, RetrieveArgs,
    plan::{Entry, State, not_found},
    tally::Tally,
};
use crate::{
    aggregator::{self, Aggregator, Retry},
    blob_id::{self, BlobId, Shards},
    download::{self, BoxError, Observer, Pieces, Retrying},
    lists::{Content, ListName, Lists},
};

/// A blob of at most this size is verified on one thread, and looked into for a todo.
const SMALL: u64 = 4 << 20;
/// Bytes of a file that are read at a time.
const READ: usize = 256 << 10;

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
}

/// What the items of a run share.
pub(super) struct Fetcher<'a> {
    pub(super) handler: &'a Retrieve,
    pub(super) args: &'a RetrieveArgs,
    pub(super) job: &'a Context,
    pub(super) aggregator: &'a Aggregator,
    pub(super) state: &'a State,
    pub(super) tally: &'a Tally<'a>,
}

impl Fetcher<'_> {
    /// Retrieves one entry, unless an earlier run has.
    pub(super) async fn item(&self, entry: &Entry) -> Result<Got, ItemError> {
        let item = self.job.item(&entry.name).attempts(self.args.attempts);
        let result = item
            .run(async |attempt| {
                if attempt == 1 {
                    self.tally.began(entry);
                }
                let got = self.retrieve(entry).await?;
                self.state.forget(entry.number);
                self.tally.retrieved(entry);
                Ok(got)
            })
            .await;
        if let Err(ItemError::Failed(error)) = &result {
            self.tally.failed(entry, &error.message);
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
        let bytes = self.fetch(entry, blob, &part, saved).await?;
        self.tally.verifying();
        if self.id_of(&part, bytes).await? != blob {
            self.start_over(entry, &part).await?;
            return Err(Failure::retry(
                "wrong_bytes",
                format!(
                    "the aggregator's bytes are not those of the blob {blob}; nothing was delivered"
                ),
            ));
        }
        self.join_list(&part, blob, bytes).await?;
        let file = self.deliver(&part, blob).await?;
        Ok(Got {
            blob_id: blob,
            bytes,
            file,
        })
    }

    async fn fetch(
        &self,
        entry: &Entry,
        blob: BlobId,
        part: &Path,
        saved: Option<Pieces>,
    ) -> Result<u64, Failure> {
        let options = download::Options::default().attempts(self.args.attempts);
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
        }))
    }

    /// Computes the ID of a file's bytes, on as many threads as its size is worth.
    async fn id_of(&self, file: &Path, bytes: u64) -> Result<BlobId, Failure> {
        let threads = if bytes <= SMALL {
            1
        } else {
            self.handler.cores
        };
        let permits = Arc::clone(&self.handler.threads)
            .acquire_many_owned(threads)
            .await?;
        let (path, cancel) = (file.to_owned(), self.job.cancellation());
        let scratch = self.job.scratch().await?;
        let computed = tokio::task::spawn_blocking(move || {
            let _permits = permits;
            let file = File::open(&path).map_err(blob_id::Error::Read)?;
            let options = blob_id::Options {
                shards: Shards::default(),
                threads: NonZeroUsize::new(threads as usize).unwrap_or(NonZeroUsize::MIN),
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
        self.state.save(self.job, entry.number, None).await?;
        Ok(())
    }

    /// Puts the verified blob where it was asked for.
    async fn deliver(&self, part: &Path, blob: BlobId) -> Result<Option<PathBuf>, Failure> {
        let name = blob.to_string();
        let Some(output) = self.args.output.clone() else {
            let content = Box::pin(contents(tokio::fs::File::open(part).await?));
            self.job
                .artifacts()
                .put_stream(&name, "application/octet-stream", content)
                .await?;
            remove(part)?;
            return Ok(None);
        };
        let part = part.to_owned();
        let moved = tokio::task::spawn_blocking(move || {
            move_into(&part, &output, &name).map_err(|error| {
                Failure::retry(
                    "output",
                    format!("could not write to {}: {error}", output.display()),
                )
            })
        });
        Ok(Some(moved.await??))
    }

    /// Has a retrieved todo join the list that the caller named.
    async fn join_list(&self, part: &Path, blob: BlobId, bytes: u64) -> Result<(), Failure> {
        let Some(list) = &self.args.join else {
            return Ok(());
        };
        let fatal = |error: String| Failure::fatal("bad_list", error);
        let name: ListName = list
            .parse()
            .map_err(|error: crate::lists::InvalidName| fatal(error.to_string()))?;
        if bytes > SMALL {
            self.job.warn(format!(
                "{blob} is no todo: it is too large to join the list '{name}'"
            ));
            return Ok(());
        }
        let (lists, part, now) = (
            Lists::new(&self.args.lists),
            part.to_owned(),
            self.job.now(),
        );
        let joined = tokio::task::spawn_blocking(move || {
            let bytes = fs::read(part)?;
            let todos = match Content::parse(&bytes, &blob) {
                Ok(Content::Todo(todo)) => vec![todo],
                Ok(Content::List(list)) => list.todos,
                Err(error) => return Ok(Some(error.to_string())),
            };
            lists
                .add_todos(&name, todos, now)
                .map_err(|error| fatal(error.to_string()))?;
            Ok::<_, Failure>(None)
        });
        if let Some(why) = joined.await?? {
            self.job.warn(format!("not joined to a list: {why}"));
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

fn contents(file: tokio::fs::File) -> impl Stream<Item = Result<Bytes, io::Error>> {
    stream::try_unfold(file, async |mut file| {
        let mut buffer = bytes::BytesMut::with_capacity(READ);
        let read = file.read_buf(&mut buffer).await?;
        Ok((read > 0).then(|| (buffer.freeze(), file)))
    })
}

/// Moves a synced file into `folder`, which is made when missing. The name appears only with all of the bytes behind it.
fn move_into(part: &Path, folder: &Path, name: &str) -> io::Result<PathBuf> {
    fs::create_dir_all(folder)?;
    let file = folder.join(name);
    match fs::rename(part, &file) {
        Err(error) if error.kind() == io::ErrorKind::CrossesDevices => {
            let mut copy = tempfile::Builder::new()
                .prefix(".longhaul-")
                .tempfile_in(folder)?;
            io::copy(&mut File::open(part)?, copy.as_file_mut())?;
            copy.as_file().sync_all()?;
            copy.persist(&file)?;
            remove(part)?;
        }
        renamed => renamed?,
    }
    File::open(folder)?.sync_all()?;
    Ok(file)
}

fn remove(file: &Path) -> io::Result<()> {
    match fs::remove_file(file) {
        Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(()),
        removed => removed,
    }
}
