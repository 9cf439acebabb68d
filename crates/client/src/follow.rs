//! One job, followed until it has ended, across lost connections.
//!
//! Invariant: events are hints and the job is the truth. After every gap the job is read again before events go on, and
//! the last thing that is said is the job as it ended.

use std::time::Duration;

use longhaul_types::{ErrorCode, Event, EventKind, JobId, body::JobView};
use tokio::time::{Instant, sleep};

use crate::{Client, Error, Events, Heard};

/// How long a server may be away.
const PATIENCE: Duration = Duration::from_secs(30);
/// The first and the longest wait between two tries.
const WAITS: (Duration, Duration) = (Duration::from_millis(50), Duration::from_secs(2));

/// What is to be said of a followed job.
#[derive(Clone, Debug, PartialEq)]
pub enum Update {
    /// The job as it is: at first, after each gap (events may have been missed), and at last when it has ended.
    Job(Box<JobView>),
    /// Something happened to it.
    Event(Box<Event>),
}

/// One job that is followed.
#[derive(Debug)]
pub struct Follow {
    client: Client,
    id: JobId,
    patience: Duration,
    events: Option<Events>,
    /// To be read before events go on.
    look: bool,
    done: bool,
}

impl Client {
    /// Follows a job until it has ended. A server that is away for 30 s ends it with an error.
    pub fn follow(&self, id: &JobId) -> Follow {
        Follow {
            client: self.clone(),
            id: id.clone(),
            patience: PATIENCE,
            events: None,
            look: true,
            done: false,
        }
    }

    /// Waits until the job has ended.
    pub async fn wait(&self, id: &JobId) -> Result<JobView, Error> {
        let mut follow = self.follow(id);
        let mut last = None;
        while let Some(update) = follow.next().await? {
            if let Update::Job(job) = update {
                last = Some(job);
            }
        }
        match last {
            Some(job) if job.state.is_ended() => Ok(*job),
            // It went while it was followed: asking for it says so in the server's own words.
            _ => self.job(id).await,
        }
    }
}

impl Follow {
    /// Bears with a server that is away for this long.
    #[must_use]
    pub fn patience(mut self, patience: Duration) -> Self {
        self.patience = patience;
        self
    }

    /// What is to be said next; none after the end. After an error it may be called again: it tries anew.
    ///
    /// Errors: what the server refuses, and [`Error::is_unavailable`] or [`Error::Interrupted`] when it was away for
    /// longer than the patience.
    pub async fn next(&mut self) -> Result<Option<Update>, Error> {
        if self.done {
            return Ok(None);
        }
        let since = Instant::now();
        let mut wait = WAITS.0;
        loop {
            let error = match self.step().await {
                Ok(Some(update)) => return Ok(Some(update)),
                // The server ended the stream: it stops, or the job's end was not heard of.
                Ok(None) if self.done => return Ok(None),
                Ok(None) => None,
                Err(error) if passes(&error) => Some(error),
                Err(error) => return Err(error),
            };
            self.events = None;
            self.look = true;
            if let Some(error) = error
                && since.elapsed() >= self.patience
            {
                return Err(error);
            }
            sleep(wait).await;
            wait = (wait * 2).min(WAITS.1);
        }
    }

    async fn step(&mut self) -> Result<Option<Update>, Error> {
        let events = match &mut self.events {
            Some(events) => events,
            // Listen first, then look: nothing falls between.
            None => self.events.insert(self.client.job_events(&self.id).await?),
        };
        if self.look {
            let job = self.client.job(&self.id).await?;
            self.look = false;
            self.done = job.state.is_ended();
            return Ok(Some(Update::Job(Box::new(job))));
        }
        match events.next().await? {
            None => Ok(None),
            Some(Heard::Missed) => self.again().await,
            Some(Heard::Event(event)) => match &event.event {
                EventKind::State { state } if state.is_ended() => self.again().await,
                EventKind::Removed => {
                    self.done = true;
                    Ok(Some(Update::Event(event)))
                }
                _ => Ok(Some(Update::Event(event))),
            },
        }
    }

    async fn again(&mut self) -> Result<Option<Update>, Error> {
        // Should the read fail, it is the first thing to do on the next connection.
        self.look = true;
        let job = self.client.job(&self.id).await?;
        self.look = false;
        self.done = job.state.is_ended();
        Ok(Some(Update::Job(Box::new(job))))
    }
}

/// Whether time may heal it.
fn passes(error: &Error) -> bool {
    match error {
        Error::Unreachable { .. } | Error::Interrupted { .. } => true,
        Error::Refused(problem) => problem.code == ErrorCode::Unavailable,
        Error::Unexpected { .. } | Error::Setup(_) => false,
    }
}
