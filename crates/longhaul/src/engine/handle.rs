//! A job as its submitter holds it: wait for its end, watch it go, cancel it.

use std::sync::Arc;

use futures_util::{Stream, stream};
use longhaul_types::{JobError, JobId, Progress, State};
use serde::de::DeserializeOwned;
use serde_json::Value;

use super::{Core, Error, ask_one};
use crate::{
    model::{Job, Seq},
    store::Request,
};

/// A job as its submitter holds it. Cheap to clone; dropping it does nothing to the job.
#[derive(Clone)]
pub struct JobHandle {
    core: Arc<Core>,
    seq: Seq,
    id: JobId,
    owner: String,
    new: bool,
}

impl std::fmt::Debug for JobHandle {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_tuple("JobHandle").field(&self.id).finish()
    }
}

/// A job that has ended.
#[derive(Clone, Debug, PartialEq)]
pub struct Ended {
    /// The job.
    pub job: Job,
    /// Its result, while it is kept.
    pub result: Option<Value>,
}

impl Ended {
    /// How it ended.
    pub fn state(&self) -> State {
        self.job.state()
    }

    /// Its error, unless it completed.
    pub fn error(&self) -> Option<&JobError> {
        match self.state() {
            State::Completed => None,
            _ => self.job.error.as_ref(),
        }
    }

    /// Its result as the handler's output type.
    pub fn output<T: DeserializeOwned>(&self) -> Result<T, Error> {
        let result = self.result.clone().unwrap_or_default();
        serde_json::from_value(result).map_err(|source| Error::Json {
            what: "the result",
            source,
        })
    }
}

impl JobHandle {
    pub(super) fn new(core: Arc<Core>, seq: Seq, id: JobId, owner: String, new: bool) -> Self {
        Self {
            core,
            seq,
            id,
            owner,
            new,
        }
    }

    /// The job's id.
    pub fn id(&self) -> &JobId {
        &self.id
    }

    /// The job's number inside the store.
    pub fn seq(&self) -> Seq {
        self.seq
    }

    /// Whether the submission made it; false when a key named an earlier job.
    pub fn is_new(&self) -> bool {
        self.new
    }

    /// The job as it is now.
    pub async fn job(&self) -> Result<Job, Error> {
        self.core
            .store
            .job(Some(&self.owner), &self.id)
            .await?
            .ok_or_else(|| Error::NotFound(self.id.clone()))
    }

    /// Waits until the job has ended.
    pub async fn wait(&self) -> Result<Ended, Error> {
        let mut changes = self.core.hub.watch(self.seq);
        loop {
            changes.mark_unchanged();
            let job = self.job().await?;
            if job.state().is_ended() {
                let detail = self.core.store.detail(self.seq).await?;
                let result = detail.and_then(|detail| detail.result);
                return Ok(Ended { job, result });
            }
            changes.changed().await.map_err(|_| Error::Closed)?;
        }
    }

    /// The job's progress, each time it changes, until it has ended. A slow reader skips values, never the last.
    pub fn progress(&self) -> impl Stream<Item = Progress> + Send + use<> {
        let changes = self.core.hub.watch(self.seq);
        let start = (self.clone(), changes, None::<Progress>, false);
        stream::unfold(start, |(handle, mut changes, last, ended)| async move {
            if ended {
                return None;
            }
            loop {
                changes.mark_unchanged();
                let job = handle.job().await.ok()?;
                let ended = job.state().is_ended();
                if last.as_ref() != Some(&job.progress) {
                    let progress = job.progress;
                    return Some((progress.clone(), (handle, changes, Some(progress), ended)));
                }
                if ended {
                    return None;
                }
                changes.changed().await.ok()?;
            }
        })
    }

    /// Asks for the job's end. A pending job ends at once, a running one when its run has stopped.
    pub async fn cancel(&self) -> Result<Job, Error> {
        ask_one(&self.core, Request::Cancel, Some(&self.owner), &self.id).await
    }
}
