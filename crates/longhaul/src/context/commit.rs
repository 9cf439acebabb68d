//! One fenced transaction of a run: checkpoint, item results and new jobs, all or nothing.

use longhaul_types::{ErrorCode, ItemState, JobId};
use serde::Serialize;

use super::{Context, scratch};
use crate::{
    engine::Error,
    model::NewJob,
    store::{ItemWrite, StoredArtifact, Write, Written},
};

/// One fenced transaction: nothing is written before [`Commit::run`], and then all of it or nothing.
#[derive(Debug)]
pub struct Commit<'a> {
    context: &'a Context,
    write: Write,
}

impl<'a> Commit<'a> {
    pub(super) fn new(context: &'a Context) -> Self {
        Self {
            context,
            write: Write::new(context.held.claim, context.now()),
        }
    }

    /// With a new checkpoint.
    pub fn checkpoint<T: Serialize + ?Sized>(mut self, checkpoint: &T) -> Result<Self, Error> {
        let limit = self.context.core.limits.checkpoint;
        self.write.checkpoint = Some(json("the checkpoint", checkpoint, limit)?);
        Ok(self)
    }

    /// With an item that is done, and its result.
    pub fn item<T: Serialize + ?Sized>(
        mut self,
        name: impl Into<String>,
        result: &T,
    ) -> Result<Self, Error> {
        let result = json("an item's result", result, self.context.core.limits.result)?;
        self.write.items.push(ItemWrite {
            name: name.into(),
            state: ItemState::Completed,
            attempts: 1,
            error: None,
            result: Some(result),
        });
        Ok(self)
    }

    /// With a new job.
    ///
    /// # Errors
    /// [`Error::SecretInArgs`] when its args hold the value of a secret that this run was given, and what a submission is
    /// refused for.
    pub fn submit(mut self, job: NewJob) -> Result<Self, Error> {
        let redactor = self.context.held.redactor();
        if redactor.is_some_and(|redactor| redactor.finds_in(&job)) {
            return Err(Error::SecretInArgs);
        }
        self.write
            .jobs
            .push(self.context.core.resolve(job, self.write.now)?);
        Ok(self)
    }

    pub(crate) fn item_write(mut self, item: ItemWrite) -> Self {
        self.write.items.push(item);
        self
    }

    pub(crate) fn items(mut self, items: Vec<ItemWrite>) -> Self {
        self.write.items.extend(items);
        self
    }

    pub(crate) fn artifact(mut self, artifact: StoredArtifact) -> Self {
        self.write.artifacts.push(artifact);
        self
    }

    /// Writes it: on disk when this returns. Answers with the ids of the new jobs, or of those that stood in their place
    /// by a unique key.
    ///
    /// # Errors
    /// [`Error::ClaimLost`] when this run does not hold its job any more: nothing was written, and the run must stop.
    pub async fn run(self) -> Result<Vec<JobId>, Error> {
        let Self { context, mut write } = self;
        let held = &context.held;
        // A task of its own: a handler that is dropped midway must not leave what it took unwritten or untold.
        let gate = held.gate.clone().lock_owned().await;
        if write.checkpoint.is_some() && held.has_scratch() {
            scratch::sync(context).await?;
        }
        for item in &write.items {
            super::item::check(context, item).await?;
        }
        let items = write.items.clone();
        let checkpoint = write.checkpoint.clone();
        held.take(&mut write);
        let (core, task_held) = (context.core.clone(), held.clone());
        let written = tokio::spawn(async move {
            let _gate = gate;
            let copy = write.clone();
            let written = core.write_patiently(&task_held, write).await;
            if !matches!(written, Ok(Written::Done { .. })) {
                task_held.put_back(waiting_part(copy));
            }
            written
        })
        .await
        .map_err(|_| Error::Closed)??;
        match written {
            Written::Done { jobs, .. } => {
                if let Some(checkpoint) = checkpoint {
                    held.set_checkpoint(checkpoint);
                }
                for item in &items {
                    super::item::remember(context, item).await?;
                }
                Ok(jobs.into_iter().map(|job| job.id).collect())
            }
            Written::ClaimLost => Err(Error::ClaimLost),
            Written::Refused(error) => Err(Error::Store(error)),
        }
    }
}

/// What of a refused write may be tried again with the next one: progress and log.
fn waiting_part(mut write: Write) -> Write {
    write.items.clear();
    write
}

/// `value` as JSON text within `limit` bytes.
pub(crate) fn json<T: Serialize + ?Sized>(
    what: &'static str,
    value: &T,
    limit: usize,
) -> Result<String, Error> {
    let text = serde_json::to_string(value).map_err(|source| Error::Json { what, source })?;
    if text.len() > limit {
        return Err(Error::TooLarge {
            what,
            size: text.len() as u64,
            limit: limit as u64,
        });
    }
    Ok(text)
}

impl From<Error> for longhaul_types::JobError {
    fn from(error: Error) -> Self {
        Self {
            code: match error.code() {
                ErrorCode::Internal => ErrorCode::HandlerFailed,
                code => code,
            }
            .as_str()
            .to_owned(),
            message: error.to_string(),
        }
    }
}
