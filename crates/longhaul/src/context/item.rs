//! Items: named parts of a job, each a durable step with its own attempts, error and result.
//!
//! Invariant: an item that finished is not run again; its stored result is the answer.

use std::{
    collections::HashMap,
    future::Future,
    sync::{Mutex, PoisonError},
};

use longhaul_types::{ErrorCode, Item, ItemCounts, ItemState, JobError};
use serde::{Serialize, de::DeserializeOwned};

use super::{Context, Stop, commit::json};
use crate::{Failure, engine::Error, handler::Again, model::Backoff, store::ItemWrite};

/// Items read from the store at a time.
const PAGE: usize = 1000;

/// A job's items as its run knows them.
#[derive(Debug, Default)]
pub(crate) struct Items {
    names: Vec<String>,
    by_name: HashMap<String, Item>,
}

impl Items {
    /// How many there are, and how many of them have come to an end.
    pub(super) fn counts(&self) -> ItemCounts {
        let count = |state| {
            let all = self.by_name.values();
            let few = all.filter(|item| item.state == state).count();
            u32::try_from(few).unwrap_or(u32::MAX)
        };
        ItemCounts {
            total: u32::try_from(self.names.len()).unwrap_or(u32::MAX),
            completed: count(ItemState::Completed),
            failed: count(ItemState::Failed),
        }
    }
}

/// Why an item has no result.
#[derive(Debug, thiserror::Error)]
pub enum ItemError {
    /// All its attempts failed; it is recorded as failed, and the job may go on with the others.
    #[error("{0}")]
    Failed(JobError),
    /// The run must stop; the item runs again when the job goes on.
    #[error(transparent)]
    Stopped(#[from] Stop),
    /// The engine could not keep it.
    #[error(transparent)]
    Engine(#[from] Error),
}

/// An item about to run.
#[derive(Debug)]
pub struct ItemRun<'a> {
    context: &'a Context,
    name: String,
    attempts: u32,
    backoff: Backoff,
}

impl<'a> ItemRun<'a> {
    pub(super) fn new(context: &'a Context, name: String) -> Self {
        Self {
            context,
            name,
            attempts: 3,
            backoff: Backoff::default(),
        }
    }

    /// Attempts in all within this run; 3 unless said otherwise.
    #[must_use]
    pub fn attempts(mut self, attempts: u32) -> Self {
        self.attempts = attempts.max(1);
        self
    }

    /// Waits between attempts.
    #[must_use]
    pub fn backoff(mut self, backoff: Backoff) -> Self {
        self.backoff = backoff;
        self
    }

    /// Runs `step` until it succeeds, up to the attempts, with its attempt's number from 1; or answers with the stored
    /// result when it finished earlier.
    pub async fn run<T, F, Fut>(self, mut step: F) -> Result<T, ItemError>
    where
        T: Serialize + DeserializeOwned,
        F: FnMut(u32) -> Fut,
        Fut: Future<Output = Result<T, Failure>>,
    {
        let context = self.context;
        if let Some(result) = self.stored().await? {
            return Ok(result);
        }
        let mut attempt = 0;
        loop {
            if let Some(stop) = context.held.stop() {
                return Err(stop.into());
            }
            attempt += 1;
            self.begin(attempt).await?;
            let failure = match step(attempt).await {
                Ok(result) => {
                    self.finish(attempt, &result).await?;
                    return Ok(result);
                }
                Err(failure) => failure,
            };
            if let Some(stop) = context.held.stop() {
                return Err(stop.into());
            }
            let wait = match failure.again {
                Again::Never => None,
                _ if attempt >= self.attempts => None,
                Again::Backoff => Some(self.backoff.wait(attempt)),
                Again::After(wait) => Some(wait),
            };
            match wait {
                None => return Err(self.fail(attempt, failure.error).await?),
                Some(wait) => {
                    context.warn(format!(
                        "{}: attempt {attempt}/{} failed: {}",
                        self.name, self.attempts, failure.error
                    ));
                    context.sleep(wait).await?;
                }
            }
        }
    }

    async fn stored<T: DeserializeOwned>(&self) -> Result<Option<T>, ItemError> {
        let items = items(self.context).await?;
        let items = items.lock().unwrap_or_else(PoisonError::into_inner);
        let Some(item) = items.by_name.get(&self.name) else {
            return Ok(None);
        };
        if item.state != ItemState::Completed {
            return Ok(None);
        }
        let result = item.result.clone().unwrap_or_default();
        serde_json::from_value(result).map(Some).map_err(|source| {
            Error::Json {
                what: "an item's stored result",
                source,
            }
            .into()
        })
    }

    async fn begin(&self, attempt: u32) -> Result<(), Error> {
        let write = ItemWrite {
            name: self.name.clone(),
            state: ItemState::Running,
            attempts: attempt,
            error: None,
            result: None,
        };
        check(self.context, &write).await?;
        remember(self.context, &write).await?;
        if self.context.held.push_item(write) {
            self.context.core.mark_dirty(&self.context.held);
        }
        Ok(())
    }

    async fn finish<T: Serialize>(&self, attempt: u32, result: &T) -> Result<(), Error> {
        let limit = self.context.core.limits.result;
        let result = json("an item's result", result, limit)?;
        self.commit(ItemWrite {
            name: self.name.clone(),
            state: ItemState::Completed,
            attempts: attempt,
            error: None,
            result: Some(result),
        })
        .await
    }

    async fn fail(&self, attempt: u32, error: JobError) -> Result<ItemError, Error> {
        self.commit(ItemWrite {
            name: self.name.clone(),
            state: ItemState::Failed,
            attempts: attempt,
            error: Some(error.clone()),
            result: None,
        })
        .await?;
        Ok(ItemError::Failed(error))
    }

    async fn commit(&self, item: ItemWrite) -> Result<(), Error> {
        self.context.commit().item_write(item).run().await.map(drop)
    }
}

/// Declares items that are not known yet, in order, in one transaction.
pub(super) async fn declare(context: &Context, names: Vec<String>) -> Result<(), Error> {
    let known = items(context).await?;
    let new: Vec<ItemWrite> = {
        let known = known.lock().unwrap_or_else(PoisonError::into_inner);
        names
            .into_iter()
            .filter(|name| !known.by_name.contains_key(name))
            .map(pending)
            .collect()
    };
    if new.is_empty() {
        return Ok(());
    }
    context.commit().items(new).run().await.map(drop)
}

/// The items as they stand, by position.
pub(super) async fn all(context: &Context) -> Result<Vec<Item>, Error> {
    let items = items(context).await?;
    let items = items.lock().unwrap_or_else(PoisonError::into_inner);
    Ok(items
        .names
        .iter()
        .filter_map(|name| items.by_name.get(name))
        .cloned()
        .collect())
}

/// Checks a change of an item against the limits.
pub(crate) async fn check(context: &Context, write: &ItemWrite) -> Result<(), Error> {
    let limits = &context.core.limits;
    if write.name.is_empty() || write.name.len() > limits.name {
        return Err(Error::TooLarge {
            what: "an item's name",
            size: write.name.len() as u64,
            limit: limits.name as u64,
        });
    }
    let items = items(context).await?;
    let items = items.lock().unwrap_or_else(PoisonError::into_inner);
    if !items.by_name.contains_key(&write.name) && items.names.len() >= limits.items as usize {
        return Err(Error::TooLarge {
            what: "the number of items",
            size: items.names.len() as u64 + 1,
            limit: u64::from(limits.items),
        });
    }
    Ok(())
}

/// Takes note of a change of an item.
pub(crate) async fn remember(context: &Context, write: &ItemWrite) -> Result<(), Error> {
    let items = items(context).await?;
    let mut items = items.lock().unwrap_or_else(PoisonError::into_inner);
    let count = u32::try_from(items.names.len()).unwrap_or(u32::MAX);
    let known = items.by_name.get(&write.name);
    let position = known.map_or(count, |item| item.position);
    if known.is_none() {
        items.names.push(write.name.clone());
    }
    let result = write.result.as_deref().map(serde_json::from_str);
    items.by_name.insert(
        write.name.clone(),
        Item {
            position,
            name: write.name.clone(),
            state: write.state,
            attempts: write.attempts,
            error: write.error.clone(),
            result: result.transpose().map_err(|source| Error::Json {
                what: "an item's result",
                source,
            })?,
            updated_at: context.now(),
        },
    );
    Ok(())
}

/// Whether every item of the job failed: then the job failed too.
pub(crate) async fn all_failed(context: &Context) -> Result<Option<JobError>, Error> {
    if context.held.items.get().is_none() && context.held.job.items.total == 0 {
        return Ok(None);
    }
    let items = items(context).await?;
    let items = items.lock().unwrap_or_else(PoisonError::into_inner);
    let failed = items
        .by_name
        .values()
        .filter(|item| item.state == ItemState::Failed)
        .count();
    if items.names.is_empty() || failed < items.names.len() {
        return Ok(None);
    }
    let first = items
        .names
        .first()
        .and_then(|name| items.by_name.get(name))
        .and_then(|item| item.error.as_ref());
    Ok(Some(match (items.names.len(), first) {
        (1, Some(error)) => error.clone(),
        (count, first) => JobError::new(
            ErrorCode::AllItemsFailed,
            match first {
                Some(first) => format!("all {count} items failed; the first: {first}"),
                None => format!("all {count} items failed"),
            },
        ),
    }))
}

fn pending(name: String) -> ItemWrite {
    ItemWrite {
        name,
        state: ItemState::Pending,
        attempts: 0,
        error: None,
        result: None,
    }
}

/// The items, read from the store when they are first asked for.
async fn items(context: &Context) -> Result<&Mutex<Items>, Error> {
    context
        .held
        .items
        .get_or_try_init(|| async {
            let mut items = Items::default();
            // Only this run adds some: a job that had none when it was claimed has none before that.
            if context.held.job.items.total == 0 {
                return Ok(Mutex::new(items));
            }
            let mut after = None;
            loop {
                let page = context
                    .core
                    .store
                    .items(context.held.job.seq, None, after, PAGE)
                    .await?;
                let full = page.len() == PAGE;
                after = page.last().map(|item| item.position);
                for item in page {
                    items.names.push(item.name.clone());
                    items.by_name.insert(item.name.clone(), item);
                }
                if !full {
                    return Ok(Mutex::new(items));
                }
            }
        })
        .await
}
