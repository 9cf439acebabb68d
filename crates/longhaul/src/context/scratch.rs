//! A job's folder on this machine.
//!
//! Invariants: its path is made of the job's number alone, never of a name from outside; a checkpoint is written only
//! after what lies in the folder is synced.

use std::{
    fs::{self, File},
    io,
    path::{Path, PathBuf},
};

use super::Context;
use crate::{engine::Error, model::Seq};

/// The folder of `job` under `root`.
pub(crate) fn path(root: &Path, job: Seq) -> PathBuf {
    root.join(format!("job-{job}"))
}

/// The job whose folder has this name.
pub(crate) fn job_of(name: &str) -> Option<Seq> {
    name.strip_prefix("job-")?.parse().ok()
}

pub(super) async fn make(context: &Context) -> Result<PathBuf, Error> {
    let path = path(&context.core.scratch, context.held.job.seq);
    context.held.use_scratch();
    let folder = path.clone();
    blocking(path, move || {
        fs::create_dir_all(&folder)?;
        if let Some(parent) = folder.parent() {
            File::open(parent)?.sync_all()?;
        }
        Ok(())
    })
    .await
    .map(|()| super::scratch::path(&context.core.scratch, context.held.job.seq))
}

/// Syncs what lies in the job's folder.
pub(super) async fn sync(context: &Context) -> Result<(), Error> {
    let path = path(&context.core.scratch, context.held.job.seq);
    let folder = path.clone();
    blocking(path, move || match sync_folder(&folder) {
        Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(()),
        result => result,
    })
    .await
}

/// Removes the folder of a job that has ended.
pub(crate) async fn remove(root: &Path, job: Seq) {
    let folder = path(root, job);
    let removed = blocking(folder.clone(), move || match fs::remove_dir_all(&folder) {
        Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(()),
        result => result,
    });
    if let Err(error) = removed.await {
        tracing::warn!(job, %error, "scratch folder not removed; it will be at the next start");
    }
}

fn sync_folder(folder: &Path) -> io::Result<()> {
    for entry in fs::read_dir(folder)? {
        let entry = entry?;
        let kind = entry.file_type()?;
        if kind.is_dir() {
            sync_folder(&entry.path())?;
        } else if kind.is_file() {
            File::open(entry.path())?.sync_data()?;
        }
    }
    File::open(folder)?.sync_all()
}

async fn blocking<F>(path: PathBuf, work: F) -> Result<(), Error>
where
    F: FnOnce() -> io::Result<()> + Send + 'static,
{
    tokio::task::spawn_blocking(work)
        .await
        .map_err(|_| Error::Closed)?
        .map_err(|source| Error::Io {
            path: path.display().to_string(),
            source,
        })
}
