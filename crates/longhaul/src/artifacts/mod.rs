//! Files that jobs make, in an object store: a local folder by default, or a bucket of S3-compatible storage.
//!
//! Invariants: a file is whole and hashed before its row is written, under the run's claim; its place is made of numbers
//! and random ids alone, never of a name from outside; what no row refers to is an orphan and is swept.

mod place;
#[cfg(feature = "s3")]
mod s3;

#[cfg(feature = "postgres")]
pub(crate) use place::Copied;

use std::{fmt, ops::Range, path::Path, sync::Arc};

use bytes::Bytes;
use futures_util::{Stream, StreamExt, TryStreamExt, stream, stream::BoxStream};
use longhaul_types::body::Artifact;
use object_store::{
    ObjectStore, ObjectStoreExt, PutPayload, WriteMultipart, path::Path as Location,
};
use sha2::{Digest, Sha256};

use crate::{
    Context, engine,
    model::Seq,
    store::{self, StoredArtifact},
};

/// Largest part that is held in memory while a file is written.
const PART: usize = 5 << 20;

/// Why a file could not be stored or read.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// The object store failed.
    #[error("the artifact store failed: {0}")]
    Store(#[from] object_store::Error),
    /// They can not lie at this place.
    #[error("artifacts can not be kept at {place}: {why}")]
    Place {
        /// The address.
        place: String,
        /// Why not, and what to do.
        why: String,
    },
    /// The name can not be an artifact's.
    #[error(
        "'{0}' is no artifact name: it must be text without control characters, at most 256 bytes"
    )]
    BadName(String),
    /// The file is past the limit.
    #[error("an artifact may have {0} bytes")]
    TooLarge(u64),
    /// What should be stored can not be read.
    #[error("the artifact's content can not be read: {0}")]
    Read(#[from] std::io::Error),
}

/// Where files of jobs lie.
#[derive(Clone)]
pub struct Artifacts {
    store: Arc<dyn ObjectStore>,
}

impl fmt::Debug for Artifacts {
    /// The address alone: how a store is reached may be a secret.
    fn fmt(&self, to: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(to, "Artifacts({})", self.store)
    }
}

impl Artifacts {
    /// In any object store.
    pub fn new(store: Arc<dyn ObjectStore>) -> Self {
        Self { store }
    }

    /// In a folder of this machine, made when missing.
    pub fn folder(path: &Path) -> Result<Self, Error> {
        std::fs::create_dir_all(path)?;
        let store = object_store::local::LocalFileSystem::new_with_prefix(path)?
            .with_automatic_cleanup(true)
            .with_fsync(true);
        Ok(Self::new(Arc::new(store)))
    }

    /// The bytes of a stored file, all of them or a range.
    pub async fn read(
        &self,
        location: &str,
        range: Option<Range<u64>>,
    ) -> Result<BoxStream<'static, Result<Bytes, Error>>, Error> {
        let options = object_store::GetOptions {
            range: range.map(Into::into),
            ..Default::default()
        };
        let found = self
            .store
            .get_opts(&Location::from(location), options)
            .await?;
        Ok(found.into_stream().map_err(Error::from).boxed())
    }

    /// Removes files; one that is gone already is no error.
    pub(crate) async fn remove(&self, locations: &[String]) {
        let places: Vec<_> = locations
            .iter()
            .map(|location| Ok(Location::from(location.as_str())))
            .collect();
        let mut removed = self.store.delete_stream(stream::iter(places).boxed());
        while let Some(done) = removed.next().await {
            match done {
                Ok(_) | Err(object_store::Error::NotFound { .. }) => {}
                Err(error) => tracing::warn!(%error, "artifact not removed"),
            }
        }
    }

    /// Every file in the store that is older than `before`.
    pub(crate) fn older_than(
        &self,
        before: longhaul_types::Timestamp,
    ) -> impl Stream<Item = Result<String, Error>> + use<> {
        self.store
            .list(None)
            .map_err(Error::from)
            .try_filter_map(move |meta| async move {
                let old = meta.last_modified.timestamp_millis() < before.0
                    && meta.location.as_ref() != place::OWNER;
                Ok(old.then(|| meta.location.to_string()))
            })
    }

    async fn put(
        &self,
        job: Seq,
        limit: u64,
        content: impl Stream<Item = Result<Bytes, std::io::Error>> + Unpin,
    ) -> Result<(String, u64, String), Error> {
        let location = format!("{job}/{}", uuid::Uuid::now_v7());
        let (size, sha256) = self.write(&location, limit, content).await?;
        Ok((location, size, sha256))
    }

    /// Writes a file at its place, in bounded memory; answers with its size and hash.
    async fn write(
        &self,
        location: &str,
        limit: u64,
        mut content: impl Stream<Item = Result<Bytes, std::io::Error>> + Unpin,
    ) -> Result<(u64, String), Error> {
        let path = Location::from(location);
        let mut hash = Sha256::new();
        let mut size = 0_u64;
        let mut first = Vec::new();
        let mut upload: Option<WriteMultipart> = None;
        while let Some(bytes) = content.next().await {
            let bytes = match bytes {
                Ok(bytes) if size + bytes.len() as u64 <= limit => bytes,
                wrong => {
                    if let Some(upload) = upload {
                        upload.abort().await?;
                    }
                    return Err(wrong.map_or_else(Error::Read, |_| Error::TooLarge(limit)));
                }
            };
            size += bytes.len() as u64;
            hash.update(&bytes);
            match &mut upload {
                Some(upload) => {
                    upload.wait_for_capacity(2).await?;
                    upload.put(bytes);
                }
                None => {
                    first.extend_from_slice(&bytes);
                    if first.len() >= PART {
                        let started = self.store.put_multipart(&path).await?;
                        let mut writer = WriteMultipart::new_with_chunk_size(started, PART);
                        writer.put(std::mem::take(&mut first).into());
                        upload = Some(writer);
                    }
                }
            }
        }
        match upload {
            Some(upload) => drop(upload.finish().await?),
            None => drop(self.store.put(&path, PutPayload::from(first)).await?),
        }
        Ok((size, hex(&hash.finalize())))
    }
}

/// The files of the job that runs.
#[derive(Debug)]
pub struct JobArtifacts<'a> {
    context: &'a Context,
}

impl<'a> JobArtifacts<'a> {
    pub(crate) fn new(context: &'a Context) -> Self {
        Self { context }
    }

    /// Stores bytes under `name`; a file of that name is replaced. On disk with its row when this returns.
    pub async fn put(
        &self,
        name: &str,
        content_type: &str,
        bytes: impl Into<Bytes>,
    ) -> Result<Artifact, engine::Error> {
        let bytes = bytes.into();
        let content = futures_util::stream::iter([Ok(bytes)]);
        self.put_stream(name, content_type, content).await
    }

    /// Stores a stream of bytes under `name`, in bounded memory.
    pub async fn put_stream(
        &self,
        name: &str,
        content_type: &str,
        content: impl Stream<Item = Result<Bytes, std::io::Error>> + Unpin,
    ) -> Result<Artifact, engine::Error> {
        let core = &self.context.core;
        if name.is_empty() || name.len() > core.limits.name || name.contains(char::is_control) {
            return Err(Error::BadName(name.chars().take(64).collect()).into());
        }
        let job = &self.context.held.job;
        // The store has the last word; this saves writing what it would refuse.
        let room = match job.owner.as_str() {
            "" => u64::MAX,
            owner => core
                .limits
                .owner_disk
                .saturating_sub(core.store.disk(owner).await?),
        };
        let limit = core.limits.artifact.min(room);
        let (location, size, sha256) = match core.artifacts.put(job.seq, limit, content).await {
            Err(Error::TooLarge(_)) if room < core.limits.artifact => {
                return Err(store::Error::DiskLimit {
                    owner: job.owner.clone(),
                    limit: core.limits.owner_disk,
                }
                .into());
            }
            stored => stored?,
        };
        let artifact = Artifact {
            name: name.to_owned(),
            size,
            sha256,
            content_type: content_type.to_owned(),
            created_at: self.context.now(),
        };
        let stored = StoredArtifact {
            artifact: artifact.clone(),
            location: location.clone(),
        };
        match self.context.commit().artifact(stored).run().await {
            Ok(_) => Ok(artifact),
            Err(error) => {
                core.artifacts.remove(&[location]).await;
                Err(error)
            }
        }
    }
}

/// Lower-case hexadecimal.
fn hex(bytes: &[u8]) -> String {
    use std::fmt::Write as _;
    bytes.iter().fold(String::new(), |mut text, byte| {
        // Writing to a String does not fail.
        let _ = write!(text, "{byte:02x}");
        text
    })
}
