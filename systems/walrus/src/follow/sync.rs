//! The kind `walrus.sync`: the events of a package from a checkpoint to the newest one, a fetch job for each.

use std::{
    pin::pin,
    sync::{Arc, Mutex, PoisonError},
};

use futures_util::StreamExt as _;
use longhaul::{Context, Failure, Handler, Outcome, handler::Policy};
use serde::{Deserialize, Serialize};
use tokio_util::sync::CancellationToken;

use super::{BATCH, Followed, Position, batch::Taker, meet, policy, retrying, still_there};
use crate::sui::{Error, Node, Trouble, attempts};

/// Failures in a row that a sync waits through: about five minutes.
const FAILURES: u32 = 15;

/// What to catch up with.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct SyncArgs {
    /// What is read, and how blobs are fetched.
    #[serde(flatten)]
    pub followed: Followed,
    /// The checkpoint to begin with.
    pub from: u64,
}

/// What a sync gave.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Synced {
    /// The first checkpoint.
    pub from: u64,
    /// The last checkpoint: the newest when it began.
    pub to: u64,
    /// Events found.
    pub events: u64,
    /// Fetch jobs started.
    pub jobs: u64,
    /// Objects that had a fetch job already.
    pub known: u64,
}

/// The handler.
#[derive(Clone, Copy, Debug, Default)]
pub struct CatchUp;

impl Handler for CatchUp {
    const KIND: &'static str = "walrus.sync";
    type Args = SyncArgs;
    type Output = Synced;

    async fn run(&self, args: SyncArgs, job: &Context) -> Result<Outcome<Synced>, Failure> {
        let SyncArgs {
            followed: args,
            from,
        } = &args;
        let (node, service) = meet(job, args, Some(args.delivery.attempts)).await?;
        let position = match Position::load(job)? {
            Some(position) => {
                position.check(&service, &node)?;
                position
            }
            None => {
                still_there(*from, &service, &node)?;
                let position = Position {
                    chain: service.chain_id.clone(),
                    end: Some(end(*from, service.tip, &node)?),
                    ..Position::default()
                };
                job.save(&position).await?;
                position
            }
        };
        let to = position.end.unwrap_or(service.tip);
        job.info(format!("Syncing checkpoints {from} to {to}"));
        job.progress().unit("checkpoints");
        let mut taker = Taker {
            job,
            args,
            fetches: true,
            position,
            stored: None,
        };
        read(&mut taker, &node, (*from, to)).await?;
        let position = taker.position;
        Ok(Outcome::Done(Synced {
            from: *from,
            to,
            events: position.events,
            jobs: position.jobs,
            known: position.known,
        }))
    }

    fn policy(&self) -> Policy {
        policy()
    }
}

/// The last checkpoint of a sync that begins now.
fn end(from: u64, tip: u64, node: &Node) -> Result<u64, Failure> {
    if from <= tip {
        return Ok(tip);
    }
    Err(Failure::fatal(
        "from_the_future",
        format!(
            "checkpoint {from} is not there yet: the newest of the node at {} is {tip}; give --from-block one up to it",
            node.address()
        ),
    ))
}

/// Reads the range to its end.
async fn read(taker: &mut Taker<'_>, node: &Node, (from, to): (u64, u64)) -> Result<(), Failure> {
    let job = taker.job;
    let patience = Patience::default();
    let after = taker.position.cursor()?;
    show(job, from, to, taker.position.covered);
    let stream = node.range(taker.args.package, (from, to), after, patience.watch(job));
    let mut batches = pin!(stream.ready_chunks(BATCH));
    loop {
        let batch = tokio::select! {
            biased;
            stop = job.stopped() => return Err(stop.into()),
            error = patience.lost() => return Err(attempts::failure(&error)),
            batch = batches.next() => batch,
        };
        let Some(batch) = batch else {
            break;
        };
        let brought = taker.handle(batch).await?;
        if brought.moved {
            show(job, from, to, taker.position.covered);
        }
        if let Some(error) = brought.error {
            return Err(gone(taker, node, &error).await);
        }
    }
    taker.position.covered = Some(to);
    taker.store(&[]).await?;
    show(job, from, to, Some(to));
    Ok(())
}

/// What an error within the range means: perhaps what comes next was pruned meanwhile.
async fn gone(taker: &Taker<'_>, node: &Node, error: &Error) -> Failure {
    if let Ok(service) = node.service().await
        && let Err(pruned) = taker.position.check(&service, node)
    {
        return pruned;
    }
    if error.may_pass() {
        Failure::retry(error.code(), error.to_string())
    } else {
        attempts::failure(error)
    }
}

fn show(job: &Context, from: u64, to: u64, covered: Option<u64>) {
    let total = to.saturating_sub(from).saturating_add(1);
    let behind = |covered: u64| covered.saturating_add(1).saturating_sub(from);
    let done = covered.map_or(0, behind).min(total);
    job.progress()
        .set(done, total)
        .task(format!("Checkpoint {done}/{total} synced"));
}

/// How long a node that fails is waited for.
#[derive(Clone, Debug, Default)]
struct Patience {
    lost: CancellationToken,
    error: Arc<Mutex<Option<Error>>>,
}

impl Patience {
    /// Tells the job of each failure, and gives up after as many as are too many.
    fn watch(&self, job: &Context) -> impl Fn(Trouble) + Send + Sync + 'static {
        let (patience, say) = (self.clone(), retrying(job));
        move |trouble| {
            if trouble.failures >= FAILURES {
                let mut error = patience
                    .error
                    .lock()
                    .unwrap_or_else(PoisonError::into_inner);
                *error = Some(trouble.error.clone());
                patience.lost.cancel();
            }
            say(trouble);
        }
    }

    /// Ends when the node failed too often, with its last error.
    async fn lost(&self) -> Error {
        loop {
            self.lost.cancelled().await;
            let error = self
                .error
                .lock()
                .unwrap_or_else(PoisonError::into_inner)
                .clone();
            if let Some(error) = error {
                return error;
            }
        }
    }
}
