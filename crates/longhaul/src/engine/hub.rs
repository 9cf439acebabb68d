//! Live events inside the process.
//!
//! Invariant: a slow listener never slows the engine and never grows memory. It loses events and is told so, and then
//! reads the job again.

use std::{
    collections::HashMap,
    sync::{
        Arc, Mutex, PoisonError,
        atomic::{AtomicUsize, Ordering},
    },
};

use longhaul_types::Event;
use tokio::sync::{broadcast, watch};

use crate::model::Seq;

/// Events a listener may be behind before it loses some.
const BACKLOG: usize = 4096;

/// What a listener gets.
#[derive(Clone, Debug)]
pub enum Heard {
    /// An event.
    Event(Arc<Event>),
    /// Some events were missed: read again what you care about.
    Missed,
}

/// A stream of all events of an engine, from now on.
#[derive(Debug)]
pub struct Events(broadcast::Receiver<Arc<Event>>);

impl Events {
    /// The next event; none when the engine has shut down.
    pub async fn next(&mut self) -> Option<Heard> {
        match self.0.recv().await {
            Ok(event) => Some(Heard::Event(event)),
            Err(broadcast::error::RecvError::Lagged(_)) => Some(Heard::Missed),
            Err(broadcast::error::RecvError::Closed) => None,
        }
    }
}

/// Sends events to all listeners, and wakes those who wait for one job.
#[derive(Debug)]
pub(crate) struct Hub {
    events: Mutex<Option<broadcast::Sender<Arc<Event>>>>,
    jobs: Mutex<HashMap<Seq, watch::Sender<u64>>>,
    /// Entries of `jobs`: without any, and without listeners, an event costs two loads.
    watched: AtomicUsize,
    /// Streams ever opened: until the first, nobody listens.
    opened: AtomicUsize,
}

impl Hub {
    pub(crate) fn new() -> Self {
        Self {
            events: Mutex::new(Some(broadcast::Sender::new(BACKLOG))),
            jobs: Mutex::default(),
            watched: AtomicUsize::new(0),
            opened: AtomicUsize::new(0),
        }
    }

    pub(crate) fn events(&self) -> Events {
        self.opened.fetch_add(1, Ordering::SeqCst);
        let events = self.events.lock().unwrap_or_else(PoisonError::into_inner);
        Events(match &*events {
            Some(sender) => sender.subscribe(),
            None => broadcast::Sender::new(1).subscribe(),
        })
    }

    /// A signal that changes whenever `job` may have changed.
    pub(crate) fn watch(&self, job: Seq) -> watch::Receiver<u64> {
        let mut jobs = self.jobs.lock().unwrap_or_else(PoisonError::into_inner);
        if jobs.len() > 1024 && jobs.len().is_power_of_two() {
            jobs.retain(|_, sender| sender.receiver_count() > 0);
        }
        let changes = jobs.entry(job).or_default().subscribe();
        // Before the caller reads the job: a change after that reading finds the entry.
        self.watched.store(jobs.len(), Ordering::SeqCst);
        changes
    }

    /// Tells those who wait for `job`.
    pub(crate) fn touch(&self, job: Seq) {
        if self.watched.load(Ordering::SeqCst) == 0 {
            return;
        }
        let mut jobs = self.jobs.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(sender) = jobs.get(&job) {
            if sender.receiver_count() == 0 {
                jobs.remove(&job);
                self.watched.store(jobs.len(), Ordering::SeqCst);
            } else {
                sender.send_modify(|count| *count += 1);
            }
        }
    }

    /// Tells everybody who waits for any job: another process may have changed it.
    pub(crate) fn touch_all(&self) {
        let mut jobs = self.jobs.lock().unwrap_or_else(PoisonError::into_inner);
        jobs.retain(|_, sender| sender.receiver_count() > 0);
        self.watched.store(jobs.len(), Ordering::SeqCst);
        for sender in jobs.values() {
            sender.send_modify(|count| *count += 1);
        }
    }

    /// Sends an event that is made only if somebody listens.
    pub(crate) fn send(&self, job: Seq, event: impl FnOnce() -> Event) {
        self.touch(job);
        if self.opened.load(Ordering::SeqCst) == 0 {
            return;
        }
        let events = self.events.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(sender) = &*events
            && sender.receiver_count() > 0
        {
            // No receiver is no error: they come and go.
            let _ = sender.send(Arc::new(event()));
        }
    }

    /// Ends every stream.
    pub(crate) fn close(&self) {
        self.events
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
            .take();
        self.jobs
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
            .clear();
    }
}
