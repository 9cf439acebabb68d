//! What `monitor` and `sync` share: batches of events whose fetch jobs and position go to disk in one commit.
//!
//! Invariant: the position in the ledger and the fetch jobs of all events before it are one commit, so that whatever dies
//! in between, each event has its fetch job exactly once. What is committed is handled before: a cursor never runs ahead.

mod batch;
mod keys;
mod monitor;
mod sync;

use std::time::Duration;

use base64::{Engine as _, engine::general_purpose::STANDARD_NO_PAD};
use bytes::Bytes;
use longhaul::{Context, Failure, handler::Policy};
use serde::{Deserialize, Serialize};

pub use self::{
    monitor::{Monitor, MonitorArgs, Monitored},
    sync::{CatchUp, SyncArgs, Synced},
};
use crate::{
    fetch::Delivery,
    networks::Network,
    retrieve,
    sui::{Happening, Node, ObjectId, Place, Service, Trouble, attempts},
};

/// The queue of these kinds: one that follows for days must not keep fetches from running.
pub const QUEUE: &str = "walrus.follow";

/// Events of one commit at most. A commit takes milliseconds whatever is in it, and what came meanwhile is the next one.
const BATCH: usize = 512;
/// A position without news is stored this often: going on from an older one only reads a little again.
const REST: Duration = Duration::from_secs(5);

/// What is followed, and what comes of it. Every setting is resolved and every path absolute.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Followed {
    /// Address of the Sui node.
    pub node: String,
    /// The network that the node must be of, where one was asked for.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub network: Option<Network>,
    /// The package whose events are followed.
    pub package: ObjectId,
    /// Which of them.
    pub events: Vec<Happening>,
    /// Seconds that each fetch job may take.
    pub fetch_timeout: f64,
    /// How blobs are fetched, and where they go.
    #[serde(flatten)]
    pub delivery: Delivery,
}

/// Where a job stands in the ledger: its checkpoint.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
struct Position {
    /// The chain; a node of another one must not be gone on with.
    chain: String,
    /// The node's cursor behind the last frame, in base64.
    cursor: Option<String>,
    /// Every event up to and including this checkpoint was handled.
    covered: Option<u64>,
    /// The last event that was handled: a stream that repeats itself is not followed twice.
    last: Option<Place>,
    /// Events seen.
    events: u64,
    /// Fetch jobs started.
    jobs: u64,
    /// Objects that had a fetch job already.
    known: u64,
    /// The last checkpoint of a finite range.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    end: Option<u64>,
}

impl Position {
    /// The position an earlier run left.
    fn load(job: &Context) -> Result<Option<Self>, Failure> {
        Ok(job.checkpoint()?)
    }

    fn cursor(&self) -> Result<Option<Bytes>, Failure> {
        let Some(text) = &self.cursor else {
            return Ok(None);
        };
        Ok(Some(STANDARD_NO_PAD.decode(text)?.into()))
    }

    fn set_cursor(&mut self, cursor: &Bytes) {
        self.cursor = Some(STANDARD_NO_PAD.encode(cursor));
    }

    /// Sees that the node is of the chain that was followed so far, and still has what comes next.
    fn check(&self, service: &Service, node: &Node) -> Result<(), Failure> {
        if self.chain != service.chain_id {
            return Err(Failure::fatal(
                "wrong_network",
                format!(
                    "the node at {} is of another chain ({}) than before ({}): set SUI_RPC_URL to a node of the same one",
                    node.address(),
                    service.chain_id,
                    self.chain
                ),
            ));
        }
        match self.covered {
            Some(covered) => still_there(covered.saturating_add(1), service, node),
            None => Ok(()),
        }
    }
}

/// Sees that the node still has a checkpoint and those after it.
fn still_there(checkpoint: u64, service: &Service, node: &Node) -> Result<(), Failure> {
    if checkpoint >= service.lowest {
        return Ok(());
    }
    Err(Failure::fatal(
        "history_pruned",
        format!(
            "checkpoint {checkpoint} is pruned: the lowest that the node at {} still has is {lowest}; use --from-block {lowest} \
            to go without what lies before it, or a node that keeps more history",
            node.address(),
            lowest = service.lowest,
        ),
    ))
}

/// The node of these args, and what it says of itself.
async fn meet(
    job: &Context,
    args: &Followed,
    tries: Option<u32>,
) -> Result<(Node, Service), Failure> {
    let node = Node::new(&args.node).map_err(|error| attempts::failure(&error))?;
    let asked = attempts::ask(job, tries, || node.service_of(args.network)).await?;
    Ok((node, asked.answer))
}

/// What tells the job that a stream tries again by itself.
fn retrying(job: &Context) -> impl Fn(Trouble) + Send + Sync + 'static {
    let job = job.clone();
    move |trouble| {
        let attempt = trouble.failures.saturating_add(1);
        attempts::say_retrying(&job, attempt, None, &trouble.error);
    }
}

/// Attempts and retention of these kinds. They have no time limit of their own.
fn policy() -> Policy {
    Policy {
        queue: QUEUE.to_owned(),
        ..retrieve::policy()
    }
}
