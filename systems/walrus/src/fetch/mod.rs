//! The kind `walrus.fetch`: one blob, by its ID or by the Sui object that names it, fetched, verified and delivered.
//!
//! Invariant: which blob an object names is read once and kept in the checkpoint: an object that changes meanwhile changes
//! nothing, and a job that goes on needs no node.

use std::path::PathBuf;

use longhaul::{Context, Failure, Handler, Outcome, handler::Policy};
use serde::{Deserialize, Serialize};

use crate::{
    blob_id::BlobId,
    networks::Network,
    retrieve::{
        Retrieve, RetrieveArgs, Retrieved,
        plan::{Entry, State, not_found},
        policy,
    },
    sui::{self, Error, Node, Object, ObjectId, attempts},
};

/// How a blob is fetched, and where it goes. Every setting is resolved and every path absolute.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Delivery {
    /// Folder of the local lists.
    pub lists: PathBuf,
    /// Base address of the aggregator.
    pub aggregator: String,
    /// The list that fetched todos join.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub join: Option<String>,
    /// Folder for the fetched files; without one they are artifacts of the job.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub output: Option<PathBuf>,
    /// Attempts of each piece and of each question to the node, in total.
    pub attempts: u32,
    /// Bytes of verified blobs that are kept for an hour; with 0 none is kept or taken.
    #[serde(default)]
    pub cache_bytes: u64,
    /// Whether it gives no way to other work on this machine.
    #[serde(default)]
    pub full_speed: bool,
}

/// What to fetch. Every setting is resolved and every path absolute: the job reads none from its surroundings.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct FetchArgs {
    /// A Sui object ID (`0x…`), or a blob ID.
    pub source: String,
    /// Address of the Sui node.
    pub node: String,
    /// The network that the node must be of, where one was asked for.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub network: Option<Network>,
    /// The checkpoint that an event told the object of: a node that is not there yet does not know it, or as it was before.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub seen: Option<u64>,
    /// How the blob is fetched, and where it goes.
    #[serde(flatten)]
    pub delivery: Delivery,
}

/// The handler.
#[derive(Clone, Debug)]
pub struct Fetch(Retrieve);

impl Fetch {
    /// With the threads of the retrievals of this process.
    pub fn sharing(retrieve: &Retrieve) -> Self {
        Self(retrieve.clone())
    }
}

impl Handler for Fetch {
    const KIND: &'static str = "walrus.fetch";
    type Args = FetchArgs;
    type Output = Retrieved;

    async fn run(&self, args: FetchArgs, job: &Context) -> Result<Outcome<Retrieved>, Failure> {
        if !job.is_resumed() {
            job.info("Starting fetch operation");
        }
        let mut retried = false;
        let entries = async {
            let found = find(&args, job).await?;
            retried = found.retried;
            Ok(vec![found.answer])
        };
        let state = State::load(job, entries).await?;
        self.0.blobs(&args.retrieval(), job, &state, retried).await
    }

    fn policy(&self) -> Policy {
        policy()
    }
}

impl FetchArgs {
    fn retrieval(&self) -> RetrieveArgs {
        let Delivery {
            lists,
            aggregator,
            join,
            output,
            attempts,
            cache_bytes,
            full_speed,
        } = self.delivery.clone();
        RetrieveArgs {
            source: self.source.clone(),
            lists,
            aggregator,
            join,
            output,
            chunk_size: 1,
            attempts,
            cache_bytes,
            full_speed,
        }
    }
}

/// The blob that is meant.
async fn find(args: &FetchArgs, job: &Context) -> Result<attempts::Answered<Entry>, Failure> {
    if !args.source.starts_with("0x") {
        let blob: BlobId = args.source.parse().map_err(|_| not_found(&args.source))?;
        return Ok(attempts::Answered {
            answer: Entry::single(blob, None, None),
            retried: false,
        });
    }
    let id: ObjectId = args
        .source
        .parse()
        .map_err(|error: sui::InvalidId| Failure::fatal("bad_object_id", error.to_string()))?;
    job.progress().task("Retrieving data...");
    let node = Node::new(&args.node).map_err(|error| attempts::failure(&error))?;
    let asked = attempts::ask(job, Some(args.delivery.attempts), || read(&node, args, id)).await?;
    let object = asked.answer;
    let blob = object.blob().map_err(|error| attempts::failure(&error))?;
    job.info(format!(
        "The object {id} of type {} names the blob {blob}",
        object.kind()
    ));
    Ok(attempts::Answered {
        answer: Entry::single(blob, object.title(), Some(id)),
        retried: asked.retried,
    })
}

/// The object, from a node of the right network that is far enough to show it as the event left it.
async fn read(node: &Node, args: &FetchArgs, id: ObjectId) -> Result<Object, Error> {
    if args.network.is_some() || args.seen.is_some() {
        let tip = node.service_of(args.network).await?.tip;
        if let Some(wanted) = args.seen.filter(|wanted| tip < *wanted) {
            return Err(Error::Behind {
                address: node.address().to_owned(),
                tip,
                wanted,
            });
        }
    }
    node.object(id).await
}
