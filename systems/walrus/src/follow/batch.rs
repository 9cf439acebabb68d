//! Frames of a stream made into one commit: the fetch jobs of their events, and the position behind them.

use longhaul::{Context, Failure, model::NewJob, types::JobId};
use tokio::time::Instant;

use super::{Followed, Position, REST, keys};
use crate::{
    fetch::{Fetch, FetchArgs},
    sui::{Error, Event, Frame},
    words,
};

/// Events of a batch that get a line each in the log, where fetch jobs are started for them.
const LINES: usize = 16;

/// Takes what frames say, and stores it.
pub(super) struct Taker<'a> {
    pub(super) job: &'a Context,
    pub(super) args: &'a Followed,
    /// Whether fetch jobs are started, or the events only logged.
    pub(super) fetches: bool,
    pub(super) position: Position,
    /// When the position was last stored by this run.
    pub(super) stored: Option<Instant>,
}

/// What a batch brought.
#[derive(Debug, Default)]
pub(super) struct Brought {
    /// Whether the position moved.
    pub(super) moved: bool,
    /// Whether it was stored.
    pub(super) stored: bool,
    /// The error that ended the stream.
    pub(super) error: Option<Error>,
}

impl Taker<'_> {
    /// Handles a batch of a stream: events at once, and a position without events when it is time.
    pub(super) async fn handle(
        &mut self,
        batch: Vec<Result<Frame, Error>>,
    ) -> Result<Brought, Failure> {
        let mut brought = Brought::default();
        let mut frames = Vec::with_capacity(batch.len());
        for frame in batch {
            match frame {
                Ok(frame) => frames.push(frame),
                Err(error) => brought.error = Some(error),
            }
        }
        brought.moved = !frames.is_empty();
        let events = self.take(frames);
        let is_time = self.stored.is_none_or(|stored| stored.elapsed() >= REST);
        if !events.is_empty() || (brought.moved && is_time) {
            self.store(&events).await?;
            brought.stored = true;
        }
        Ok(brought)
    }

    /// Moves the position behind these frames, and gives the events among them that are asked for. Nothing is stored yet.
    fn take(&mut self, frames: Vec<Frame>) -> Vec<Event> {
        let mut events = Vec::new();
        for frame in frames {
            self.position.set_cursor(&frame.cursor);
            self.position.covered = self.position.covered.max(frame.covered);
            match frame.event {
                Some(Ok(event)) if self.is_news(&event) => {
                    self.position.last = Some(event.place);
                    events.push(event);
                }
                Some(Err(why)) => self.job.warn(format!("{why}: left out")),
                Some(Ok(_)) | None => {}
            }
        }
        events
    }

    fn is_news(&self, event: &Event) -> bool {
        self.args.events.contains(&event.happening)
            && self.position.last.is_none_or(|last| event.place > last)
    }

    /// Stores the position and the fetch jobs of `events` in one commit.
    pub(super) async fn store(&mut self, events: &[Event]) -> Result<(), Failure> {
        let mut next = self.position.clone();
        next.events += events.len() as u64;
        let jobs = if self.fetches {
            self.jobs(events)?
        } else {
            Vec::new()
        };
        // Whether a job is new is known only once it is stored; of a count that a crash makes older nothing depends.
        next.jobs += jobs.len() as u64;
        let ids: Vec<Option<JobId>> = jobs.iter().map(|job| job.id.clone()).collect();
        self.say(events);
        let mut commit = self.job.commit().checkpoint(&next)?;
        for job in jobs {
            commit = commit.submit(job)?;
        }
        let stored = commit.run().await?;
        let known = ids
            .iter()
            .zip(&stored)
            .filter(|(id, stored)| id.as_ref() != Some(stored));
        let known = known.count() as u64;
        next.jobs -= known;
        next.known += known;
        self.position = next;
        self.stored = Some(Instant::now());
        Ok(())
    }

    fn jobs(&self, events: &[Event]) -> Result<Vec<NewJob>, Failure> {
        let seconds = self.job.now().0 / 1000;
        events
            .iter()
            .map(|event| {
                let object = event.object.to_string();
                let args = FetchArgs {
                    source: object.clone(),
                    node: self.args.node.clone(),
                    network: None,
                    seen: Some(event.place.checkpoint),
                    delivery: self.args.delivery.clone(),
                };
                let key = keys::key(&self.position.chain, event, &self.args.delivery);
                Ok(NewJob::of::<Fetch>(&args)?
                    .id(keys::id(seconds).parse()?)
                    .owner(self.job.owner())
                    .label(words::COMMAND, format!("fetch {object}"))
                    .timeout(std::time::Duration::try_from_secs_f64(
                        self.args.fetch_timeout,
                    )?)
                    .unique_key(key.clone())
                    .idempotency_key(key))
            })
            .collect()
    }

    fn say(&self, events: &[Event]) {
        if self.fetches && events.len() > LINES {
            self.job
                .info(format!("{} events, a fetch each", events.len()));
            return;
        }
        for event in events {
            let title = event
                .title
                .as_deref()
                .map_or_else(String::new, |title| format!(" \"{title}\""));
            self.job.info(format!(
                "{} {}{title} at checkpoint {}",
                event.happening, event.object, event.place.checkpoint
            ));
        }
    }
}
