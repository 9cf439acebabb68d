//! The kind `walrus.retrieve`: the blobs of a todo list, or one blob, fetched, verified and delivered.
//!
//! Invariants: a blob counts as retrieved only after its ID was computed anew from its bytes, and a file appears under its
//! final name only then; a piece that was saved is not fetched again, whatever dies in between; nothing from outside
//! becomes a path: files have the names of blob IDs.

mod blob;
mod deliver;
pub(crate) mod plan;
mod tally;

use std::{collections::HashSet, path::PathBuf, sync::Arc, thread, time::Duration};

use futures_util::{StreamExt, stream};
use longhaul::{
    Context, Failure, Handler, Outcome, context::ItemError, handler::Policy, model::Retention,
};
use serde::{Deserialize, Serialize};

pub use self::blob::Got;
use self::{
    blob::{Fetcher, Twins},
    plan::State,
    tally::Tally,
};
use crate::{
    aggregator,
    cache::Cache,
    machine::{Gate, Throttle},
};

/// The queue of this kind.
pub const QUEUE: &str = "walrus";

const HOUR: Duration = Duration::from_hours(1);
const WEEK: Duration = Duration::from_hours(7 * 24);

/// What to retrieve. Every setting is resolved and every path absolute: the job reads none from its surroundings.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct RetrieveArgs {
    /// Name of a local list, or a blob ID.
    pub source: String,
    /// Folder of the local lists.
    pub lists: PathBuf,
    /// Base address of the aggregator.
    pub aggregator: String,
    /// The list that retrieved todos join.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub join: Option<String>,
    /// Folder for the retrieved files; without one they are artifacts of the job.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub output: Option<PathBuf>,
    /// Items retrieved at a time.
    pub chunk_size: usize,
    /// Attempts of each piece, in total.
    pub attempts: u32,
    /// Bytes of verified blobs that are kept for an hour, for quick re-access; with 0 none is kept or taken.
    #[serde(default)]
    pub cache_bytes: u64,
    /// Whether it gives no way to other work on this machine.
    #[serde(default)]
    pub full_speed: bool,
}

/// What a retrieval gave.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Retrieved {
    /// Items retrieved.
    pub items: usize,
    /// Items that failed.
    pub failed: usize,
    /// Bytes of the retrieved blobs together, each counted once.
    pub bytes: u64,
    /// Items that came from the result cache.
    #[serde(default)]
    pub cached: usize,
}

/// The handler. Clones share their threads.
#[derive(Clone, Debug)]
pub struct Retrieve {
    throttle: Arc<Throttle>,
    /// Threads that may compute blob IDs at a time, in this process.
    threads: Arc<Gate>,
    cache: Option<Cache>,
}

impl Default for Retrieve {
    fn default() -> Self {
        Self::new(Throttle::default())
    }
}

impl Retrieve {
    /// A handler that does less at a time when `throttle` says so, and keeps no results.
    pub fn new(throttle: Throttle) -> Self {
        let cores = thread::available_parallelism().map_or(1, |cores| cores.get().min(64));
        let throttle = Arc::new(throttle);
        Self {
            threads: Gate::new(cores, Arc::clone(&throttle)),
            throttle,
            cache: None,
        }
    }

    /// With a cache of verified blobs.
    #[must_use]
    pub fn cache(mut self, cache: Cache) -> Self {
        self.cache = Some(cache);
        self
    }

    /// Retrieves all entries, as many at a time as is allowed, and counts how they end.
    async fn items(&self, fetcher: &Fetcher<'_>) -> Result<Retrieved, Failure> {
        let entries = fetcher.entries;
        let mut results = stream::iter(0..entries.len())
            .map(|index| fetcher.item(&entries[index]))
            .buffer_unordered(fetcher.gate.most());
        let mut retrieved = Retrieved {
            items: 0,
            failed: 0,
            bytes: 0,
            cached: 0,
        };
        let mut counted = HashSet::new();
        while let Some(result) = results.next().await {
            match result {
                Ok(got) => {
                    retrieved.items += 1;
                    retrieved.cached += usize::from(got.cached);
                    if counted.insert(got.blob_id) {
                        retrieved.bytes += got.bytes;
                    }
                }
                Err(ItemError::Failed(_)) => retrieved.failed += 1,
                Err(error) => return Err(error.into()),
            }
        }
        Ok(retrieved)
    }
}

impl Handler for Retrieve {
    const KIND: &'static str = "walrus.retrieve";
    type Args = RetrieveArgs;
    type Output = Retrieved;

    async fn run(&self, args: RetrieveArgs, job: &Context) -> Result<Outcome<Retrieved>, Failure> {
        if !job.is_resumed() {
            job.info("Starting retrieval operation");
        }
        let wanted = args.clone();
        let entries =
            async move { tokio::task::spawn_blocking(move || plan::entries(&wanted)).await? };
        let state = State::load(job, entries).await?;
        self.blobs(&args, job, &state, false).await
    }

    fn policy(&self) -> Policy {
        policy()
    }
}

impl Retrieve {
    /// Fetches, verifies and delivers the blobs of `state`; `retried` says whether it took more than one attempt to learn
    /// of them.
    pub(crate) async fn blobs(
        &self,
        args: &RetrieveArgs,
        job: &Context,
        state: &State,
        retried: bool,
    ) -> Result<Outcome<Retrieved>, Failure> {
        let entries = state.entries();
        job.declare_items(entries.iter().map(|entry| entry.name.clone()))
            .await?;
        let aggregator = aggregator::Options::new(&args.aggregator)
            .connect()
            .map_err(|error| Failure::fatal("bad_aggregator", error.to_string()))?;
        let tally = Tally::new(job, &entries, retried).await?;
        // A throttle that nobody watches holds nothing back.
        let throttle = if args.full_speed {
            Arc::default()
        } else {
            Arc::clone(&self.throttle)
        };
        let gate = Gate::new(args.chunk_size.clamp(1, 256), throttle);
        let fetcher = Fetcher {
            handler: self,
            args,
            job,
            aggregator: &aggregator,
            entries: &entries,
            state,
            tally: &tally,
            gate: &gate,
            twins: Twins::of(&entries),
        };
        let both = (gate.most(), self.threads.most());
        let watch = async {
            if args.full_speed {
                std::future::pending().await
            } else {
                self.throttle.watch(both, |text| job.info(text)).await
            }
        };
        let retrieved = tokio::select! {
            retrieved = self.items(&fetcher) => retrieved?,
            never = watch => match never {},
        };
        tally.finished();
        Ok(Outcome::Done(retrieved))
    }
}

/// Queue, attempts and retention of the kinds that fetch blobs: what the document says.
pub(crate) fn policy() -> Policy {
    Policy {
        queue: QUEUE.to_owned(),
        max_attempts: 3,
        retention: Retention {
            completed: WEEK,
            failed: WEEK,
            cancelled: WEEK,
            log: WEEK,
            result: HOUR,
            progress: HOUR,
        },
        ..Policy::default()
    }
}
