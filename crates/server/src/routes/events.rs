//! Live events by SSE.
//!
//! Invariants: a client that does not read slows nobody and grows nothing: it loses events, is told `missed`, and reads
//! again. A stream for one job begins with where the job stands and ends after its end; what is read again there is sent
//! by the stream itself.

use std::{collections::VecDeque, convert::Infallible, sync::Arc};

use axum::{
    extract::State,
    http::{HeaderMap, HeaderName, HeaderValue},
    response::{
        IntoResponse, Response, Sse,
        sse::{Event as Message, KeepAlive},
    },
};
use futures_util::{Stream, StreamExt, stream};
use longhaul::engine::{Events, Heard};
use longhaul_types::{Event, EventKind, JobId, event::MISSED};
use tokio::{
    sync::watch,
    time::{Instant, Interval, interval_at},
};

use super::{App, job::find};
use crate::{access::Caller, answer::Refusal, query::Query, request::Id};

/// `GET /api/v1/events?kind`: every event that the caller may see, from now on.
pub(super) async fn all(
    State(app): State<Arc<App>>,
    caller: Caller,
    headers: HeaderMap,
    mut query: Query,
) -> Result<Response, Refusal> {
    let kinds = query.all("kind");
    query.finish()?;
    let feed = AllFeed {
        events: app.engine.events(),
        app: Arc::clone(&app),
        owner: caller.sees().map(str::to_owned),
        kinds,
        // Whoever was here before has missed what came between.
        missed: headers.contains_key("last-event-id"),
        number: 0,
    };
    answer(&app, caller, stream::unfold(feed, AllFeed::next))
}

/// `GET /api/v1/jobs/{id}/events`: where the job stands, then what happens to it until it ends.
pub(super) async fn one(
    State(app): State<Arc<App>>,
    caller: Caller,
    Id(id): Id,
    query: Query,
) -> Result<Response, Refusal> {
    query.finish()?;
    // Listen first, then look: nothing falls between.
    let events = app.engine.events();
    let changed = app.engine.store().changed();
    let job = find(&app, &caller, &id).await?;
    let mut feed = JobFeed {
        events,
        changed,
        app: Arc::clone(&app),
        owner: job.owner.clone(),
        id,
        kind: job.kind.clone(),
        looks: interval_at(Instant::now() + app.limits.heartbeat, app.limits.heartbeat),
        ready: VecDeque::new(),
        revision: 0,
        ended: false,
    };
    feed.show(&job);
    answer(&app, caller, stream::unfold(feed, JobFeed::next))
}

/// A stream that ends by itself, with its server, or when its caller is not to be answered any more.
fn answer<F>(app: &App, caller: Caller, messages: F) -> Result<Response, Refusal>
where
    F: Stream<Item = Result<Message, Infallible>> + Send + 'static,
{
    const BUFFERING: HeaderName = HeaderName::from_static("x-accel-buffering");
    let open = (app.metrics.open_stream(), caller.open_stream()?);
    let messages = messages.take_until(Box::pin(async move { caller.ended().await }));
    let messages = messages.inspect(move |_| {
        // Open for as long as the stream is.
        let _ = &open;
    });
    let alive = KeepAlive::new().interval(app.limits.heartbeat);
    let mut response = Sse::new(messages).keep_alive(alive).into_response();
    // A proxy that gathers a stream would hold events back.
    let no = HeaderValue::from_static("no");
    response.headers_mut().insert(BUFFERING, no);
    Ok(response)
}

type Next<F> = Option<(Result<Message, Infallible>, F)>;

struct AllFeed {
    app: Arc<App>,
    events: Events,
    owner: Option<String>,
    kinds: Vec<String>,
    missed: bool,
    number: u64,
}

impl AllFeed {
    async fn next(mut self) -> Next<Self> {
        loop {
            if std::mem::take(&mut self.missed) {
                return Some((Ok(missed()), self));
            }
            let heard = tokio::select! {
                biased;
                () = self.app.stopping.cancelled() => return None,
                heard = self.events.next() => heard?,
            };
            match heard {
                Heard::Missed => self.missed = true,
                Heard::Event(event) if self.wants(&event) => {
                    self.number += 1;
                    return Some((Ok(message(&event, self.number)), self));
                }
                Heard::Event(_) => {}
            }
        }
    }

    fn wants(&self, event: &Event) -> bool {
        self.owner
            .as_ref()
            .is_none_or(|owner| *owner == event.owner)
            && (self.kinds.is_empty() || self.kinds.contains(&event.kind))
    }
}

struct JobFeed {
    app: Arc<App>,
    events: Events,
    changed: watch::Receiver<u64>,
    owner: String,
    id: JobId,
    kind: String,
    /// When to look after the job though nothing was heard.
    looks: Interval,
    /// Messages to send before anything else: a handful at most.
    ready: VecDeque<Message>,
    /// The newest revision that was sent.
    revision: u64,
    ended: bool,
}

impl JobFeed {
    async fn next(mut self) -> Next<Self> {
        loop {
            if let Some(message) = self.ready.pop_front() {
                return Some((Ok(message), self));
            }
            if self.ended {
                return None;
            }
            tokio::select! {
                biased;
                () = self.app.stopping.cancelled() => return None,
                heard = self.events.next() => match heard? {
                    Heard::Event(event) => self.pass(&event),
                    Heard::Missed => {
                        self.ready.push_back(missed());
                        self.look(true).await;
                    }
                },
                // Another process changes jobs without events of ours.
                changed = self.changed.changed() => {
                    if changed.is_err() {
                        return None;
                    }
                    self.look(false).await;
                }
                _ = self.looks.tick() => self.look(false).await,
            }
        }
    }

    /// Sends an event of this job on, unless where the job stands was sent later than it happened.
    fn pass(&mut self, event: &Event) {
        if event.job_id != self.id || event.owner != self.owner {
            return;
        }
        match &event.event {
            EventKind::State { .. } | EventKind::Progress { .. } | EventKind::CancelRequested
                if event.revision < self.revision => {}
            EventKind::State { state } => {
                self.push(event);
                self.ended = state.is_ended();
            }
            EventKind::Removed => {
                self.push(event);
                self.ended = true;
            }
            EventKind::Progress { .. } | EventKind::CancelRequested | EventKind::Log { .. } => {
                self.push(event);
            }
        }
    }

    fn push(&mut self, event: &Event) {
        self.revision = self.revision.max(event.revision);
        self.ready.push_back(message(event, event.revision));
    }

    /// Reads the job, and sends where it stands if that is news, or anyway.
    async fn look(&mut self, anyway: bool) {
        match self
            .app
            .engine
            .store()
            .job(Some(&self.owner), &self.id)
            .await
        {
            Ok(Some(job)) if anyway || job.revision != self.revision => self.show(&job),
            Ok(Some(_)) => {}
            Ok(None) => {
                self.send(self.revision, EventKind::Removed);
                self.ended = true;
            }
            Err(error) => {
                tracing::warn!(job = %self.id, %error, "could not look after a job; trying again");
            }
        }
    }

    /// Sends where the job stands.
    fn show(&mut self, job: &longhaul::Job) {
        let state = job.state();
        let progress = job.progress.clone();
        self.send(job.revision, EventKind::Progress { progress });
        self.send(job.revision, EventKind::State { state });
        if job.cancel_requested() {
            self.send(job.revision, EventKind::CancelRequested);
        }
        self.revision = job.revision;
        self.ended = state.is_ended();
    }

    fn send(&mut self, revision: u64, event: EventKind) {
        let event = Event {
            job_id: self.id.clone(),
            owner: self.owner.clone(),
            kind: self.kind.clone(),
            revision,
            time: self.app.clock.now(),
            event,
        };
        self.ready.push_back(message(&event, revision));
    }
}

fn message(event: &Event, id: u64) -> Message {
    let message = Message::default()
        .event(event.event.name())
        .id(id.to_string());
    // Events are plain data that always serialise; a fault here must not look like silence.
    message.json_data(event).unwrap_or_else(|_| missed())
}

fn missed() -> Message {
    Message::default().event(MISSED).data("{}")
}
