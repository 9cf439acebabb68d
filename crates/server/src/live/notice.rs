//! What a follower is sent: an event, or that some were missed.
//!
//! Invariant: an event is turned into text once, however many follow it, and not at all when nobody does.

use std::sync::{Arc, OnceLock};

use bytes::Bytes;
use longhaul::Job;
use longhaul_types::{Event, EventKind, Timestamp, event::MISSED};
use serde_json::value::{RawValue, to_raw_value};

/// What a follower is sent.
#[derive(Debug)]
pub(crate) struct Notice {
    /// None says that some were missed.
    event: Option<Arc<Event>>,
    /// Number of the message in its stream.
    id: u64,
    body: OnceLock<Box<RawValue>>,
    frame: OnceLock<Bytes>,
}

impl Notice {
    /// An event, with the number of the message.
    pub(crate) fn new(event: Arc<Event>, id: u64) -> Arc<Self> {
        Arc::new(Self {
            event: Some(event),
            id,
            body: OnceLock::new(),
            frame: OnceLock::new(),
        })
    }

    /// Some were missed.
    pub(crate) fn missed() -> Arc<Self> {
        Arc::new(Self {
            event: None,
            id: 0,
            body: OnceLock::new(),
            frame: OnceLock::new(),
        })
    }

    /// The messages that say where a job stands.
    pub(crate) fn standing(job: &Job, now: Timestamp) -> impl Iterator<Item = Arc<Self>> {
        let progress = EventKind::Progress {
            progress: job.progress.clone(),
        };
        let state = EventKind::State { state: job.state() };
        let cancel = job.cancel_requested().then_some(EventKind::CancelRequested);
        let kinds = [Some(progress), Some(state), cancel].into_iter().flatten();
        kinds.map(move |kind| Self::about(job, now, kind))
    }

    /// Something about a job, as it was read.
    pub(crate) fn about(job: &Job, now: Timestamp, event: EventKind) -> Arc<Self> {
        let event = Event {
            job_id: job.id.clone(),
            owner: job.owner.clone(),
            kind: job.kind.clone(),
            labels: job.labels.clone(),
            revision: job.revision,
            time: now,
            event,
        };
        Self::new(Arc::new(event), job.revision)
    }

    /// The event; none says that some were missed.
    pub(crate) fn event(&self) -> Option<&Event> {
        self.event.as_deref()
    }

    /// The event as JSON; an empty object when some were missed.
    pub(crate) fn body(&self) -> &RawValue {
        self.body.get_or_init(|| {
            let body = match &self.event {
                Some(event) => to_raw_value(&**event),
                None => to_raw_value(&serde_json::Map::new()),
            };
            // Events are plain data that always serialise.
            body.unwrap_or_else(|_| RawValue::NULL.to_owned())
        })
    }

    /// The message of a text/event-stream.
    pub(crate) fn frame(&self) -> Bytes {
        let frame = self.frame.get_or_init(|| {
            let body = self.body();
            let text = match &self.event {
                Some(event) => {
                    let (name, id) = (event.event.name(), self.id);
                    format!("event: {name}\nid: {id}\ndata: {body}\n\n")
                }
                None => format!("event: {MISSED}\ndata: {body}\n\n"),
            };
            Bytes::from(text)
        });
        frame.clone()
    }

    /// Whether nothing of this job follows.
    pub(crate) fn is_last(&self) -> bool {
        match self.event().map(|event| &event.event) {
            Some(EventKind::State { state }) => state.is_ended(),
            Some(EventKind::Removed) => true,
            _ => false,
        }
    }

    /// Whether it tells what was so before `revision` and has changed since. Log lines and items, of which each is told once,
    /// are never that.
    pub(crate) fn is_stale(&self, revision: u64) -> bool {
        self.event().is_some_and(|event| {
            let lasts = matches!(
                event.event,
                EventKind::Log { .. } | EventKind::Items { .. } | EventKind::Removed
            );
            !lasts && event.revision < revision
        })
    }
}
