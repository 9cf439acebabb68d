//! The kind `walrus.monitor`: the events of a package followed for as long as the job lives, a fetch job for each.

use std::{pin::pin, sync::Arc};

use futures_util::StreamExt as _;
use longhaul::{Context, Failure, Handler, Outcome, handler::Policy};
use serde::{Deserialize, Serialize};
use tokio::sync::Notify;

use super::{BATCH, Followed, Position, batch::Taker, meet, policy, retrying};
use crate::sui::{Error, Following, Node, Start, attempts};

/// Streams in a row that end in an error before one brings news.
const BROKEN: u32 = 10;

/// What to follow.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct MonitorArgs {
    /// What is followed, and how blobs are fetched.
    #[serde(flatten)]
    pub followed: Followed,
    /// Whether a fetch job is started for each event; otherwise events are only logged.
    pub auto_retrieve: bool,
}

/// What a monitor gives: nothing, since it ends only when it is cancelled or fails.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Monitored {}

/// The handler.
#[derive(Clone, Copy, Debug, Default)]
pub struct Monitor;

impl Handler for Monitor {
    const KIND: &'static str = "walrus.monitor";
    type Args = MonitorArgs;
    type Output = Monitored;

    async fn run(&self, args: MonitorArgs, job: &Context) -> Result<Outcome<Monitored>, Failure> {
        let MonitorArgs {
            followed: args,
            auto_retrieve,
        } = &args;
        let saved = Position::load(job)?;
        if saved.is_none() {
            job.info(format!("Starting to monitor the package {}", args.package));
        }
        // One that has begun outlives a node that is away for long; one that never met its node is told so.
        let tries = saved.is_none().then_some(args.delivery.attempts);
        let (node, service) = meet(job, args, tries).await?;
        let position = saved.unwrap_or_else(|| Position {
            chain: service.chain_id.clone(),
            ..Position::default()
        });
        position.check(&service, &node)?;
        let taker = Taker {
            job,
            args,
            fetches: *auto_retrieve,
            position,
            stored: None,
        };
        job.progress().unit("events");
        let mut run = Run {
            taker,
            node,
            broken: 0,
        };
        run.show();
        run.follow().await
    }

    fn policy(&self) -> Policy {
        Policy {
            // It lives for months, and each failure of this machine's own spends one.
            max_attempts: 100,
            ..policy()
        }
    }
}

struct Run<'a> {
    taker: Taker<'a>,
    node: Node,
    /// Streams that ended in an error since there was news.
    broken: u32,
}

impl Run<'_> {
    /// Follows one stream after the other: the next begins where the last one was left.
    async fn follow(&mut self) -> Result<Outcome<Monitored>, Failure> {
        let mut following = Following::Subscription;
        let mut start = match self.taker.position.cursor()? {
            Some(cursor) => Start::After(cursor),
            None => Start::Tip,
        };
        loop {
            let error = self.stream(start, following).await?;
            let job = self.taker.job;
            self.broken += 1;
            let refused = matches!(error, Error::Invalid { .. });
            match &error {
                Error::NotOffered { .. } if following == Following::Subscription => {
                    job.warn(format!("{error}; asking every second instead"));
                    following = Following::Polling;
                }
                error if self.broken >= BROKEN || !(error.may_pass() || refused) => {
                    return Err(attempts::failure(error));
                }
                error => {
                    attempts::say_retrying(job, self.broken + 1, None, error);
                    job.sleep(attempts::WAITS.wait(self.broken)).await?;
                }
            }
            self.check().await?;
            let position = &self.taker.position;
            start = match (position.cursor()?, position.covered) {
                // Cursors are the node's own; what was handled behind the checkpoint is known by its place.
                (Some(_), Some(covered)) if refused => Start::Checkpoint(covered.saturating_add(1)),
                (Some(cursor), _) => Start::After(cursor),
                (None, _) => Start::Tip,
            };
        }
    }

    /// Sees that what answers at the node's address now is what was followed so far, however long that takes.
    async fn check(&self) -> Result<(), Failure> {
        let service = meet(self.taker.job, self.taker.args, None).await?.1;
        self.taker.position.check(&service, &self.node)
    }

    /// Follows one stream to the error that ends it.
    async fn stream(&mut self, start: Start, following: Following) -> Result<Error, Failure> {
        let job = self.taker.job;
        let package = self.taker.args.package;
        let (say, disturbed) = (retrying(job), Arc::new(Notify::new()));
        let disturb = Arc::clone(&disturbed);
        let trouble = move |trouble| {
            say(trouble);
            disturb.notify_one();
        };
        let stream = self.node.follow(package, start, following, trouble);
        let mut batches = pin!(stream.ready_chunks(BATCH));
        loop {
            let batch = tokio::select! {
                biased;
                stop = job.stopped() => return Err(stop.into()),
                // Whoever comes back may be another: a network that was wiped, or one that lost its history.
                () = disturbed.notified() => {
                    self.check().await?;
                    continue;
                }
                batch = batches.next() => batch,
            };
            let Some(batch) = batch else {
                return Ok(Error::Answer {
                    address: self.node.address().to_owned(),
                    reason: "the stream of events ended".to_owned(),
                });
            };
            let brought = self.taker.handle(batch).await?;
            if brought.stored {
                self.broken = 0;
            }
            if brought.moved {
                self.show();
            }
            if let Some(error) = brought.error {
                return Ok(error);
            }
        }
    }

    fn show(&self) {
        let position = &self.taker.position;
        let progress = self.taker.job.progress().current(position.events);
        let progress = progress
            .metadata("events", position.events)
            .metadata("jobs", position.jobs);
        if let Some(covered) = position.covered {
            progress
                .metadata("checkpoint", covered)
                .task(format!("Following events at checkpoint {covered}"));
        }
    }
}
