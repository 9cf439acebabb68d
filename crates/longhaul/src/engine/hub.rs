//! Live events inside the process.
//!
//! Invariant: a slow listener never slows the engine and never grows memory. It loses events and is told so, and then
//! reads the job again. An event wakes only those who listen to its job or to all jobs, and is made only for them.

use std::{
    cell::LazyCell,
    collections::HashMap,
    sync::{
        Arc, Mutex, MutexGuard, PoisonError,
        atomic::{AtomicUsize, Ordering},
    },
};

use longhaul_types::Event;
use tokio::sync::{broadcast, watch};

use crate::model::Seq;

/// Events a listener to all jobs may be behind before it loses some.
const BACKLOG: usize = 4096;
/// Events a listener to one job may be behind.
const JOB_BACKLOG: usize = 256;

/// What a listener gets.
#[derive(Clone, Debug)]
pub enum Heard {
    /// An event.
    Event(Arc<Event>),
    /// Some events were missed: read again what you care about.
    Missed,
}

/// A stream of events of an engine, from now on.
#[derive(Debug)]
pub struct Events(broadcast::Receiver<Arc<Event>>);

impl Events {
    /// The next event; none when the engine has shut down. No event is lost when the wait is given up.
    pub async fn next(&mut self) -> Option<Heard> {
        match self.0.recv().await {
            Ok(event) => Some(Heard::Event(event)),
            Err(broadcast::error::RecvError::Lagged(_)) => Some(Heard::Missed),
            Err(broadcast::error::RecvError::Closed) => None,
        }
    }

    /// A stream that has ended.
    fn closed() -> Self {
        Self(broadcast::Sender::new(1).subscribe())
    }
}

/// Sends events to all listeners, and wakes those who wait for one job.
#[derive(Debug)]
pub(crate) struct Hub {
    events: Mutex<Option<broadcast::Sender<Arc<Event>>>>,
    jobs: Mutex<HashMap<Seq, watch::Sender<u64>>>,
    followed: Mutex<Option<Followed>>,
    /// Entries of `jobs`: without any, and without listeners, an event costs three loads.
    watched: AtomicUsize,
    /// Entries of `followed`.
    following: AtomicUsize,
    /// Streams of all events ever opened: until the first, nobody listens.
    opened: AtomicUsize,
}

/// Who listens to one job each.
type Followed = HashMap<Seq, broadcast::Sender<Arc<Event>>>;

impl Hub {
    pub(crate) fn new() -> Self {
        Self {
            events: Mutex::new(Some(broadcast::Sender::new(BACKLOG))),
            jobs: Mutex::default(),
            followed: Mutex::new(Some(HashMap::new())),
            watched: AtomicUsize::new(0),
            following: AtomicUsize::new(0),
            opened: AtomicUsize::new(0),
        }
    }

    pub(crate) fn events(&self) -> Events {
        self.opened.fetch_add(1, Ordering::SeqCst);
        match &*lock(&self.events) {
            Some(sender) => Events(sender.subscribe()),
            None => Events::closed(),
        }
    }

    /// The events of one job.
    pub(crate) fn job_events(&self, job: Seq) -> Events {
        let mut followed = lock(&self.followed);
        let Some(followed) = &mut *followed else {
            return Events::closed();
        };
        if followed.len() > 1024 && followed.len().is_power_of_two() {
            followed.retain(|_, sender| sender.receiver_count() > 0);
        }
        let sender = followed.entry(job);
        let sender = sender.or_insert_with(|| broadcast::Sender::new(JOB_BACKLOG));
        let events = Events(sender.subscribe());
        // Before the caller reads the job: an event after that reading finds the entry.
        self.following.store(followed.len(), Ordering::SeqCst);
        events
    }

    /// A signal that changes whenever `job` may have changed.
    pub(crate) fn watch(&self, job: Seq) -> watch::Receiver<u64> {
        let mut jobs = lock(&self.jobs);
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
        let mut jobs = lock(&self.jobs);
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
        let mut jobs = lock(&self.jobs);
        jobs.retain(|_, sender| sender.receiver_count() > 0);
        self.watched.store(jobs.len(), Ordering::SeqCst);
        for sender in jobs.values() {
            sender.send_modify(|count| *count += 1);
        }
    }

    /// Sends an event that is made only if somebody listens.
    pub(crate) fn send(&self, job: Seq, event: impl FnOnce() -> Event) {
        self.touch(job);
        let event = LazyCell::new(|| Arc::new(event()));
        if self.following.load(Ordering::SeqCst) > 0
            && let Some(followed) = &mut *lock(&self.followed)
            && let Some(sender) = followed.get(&job)
            && (sender.receiver_count() == 0 || sender.send(Arc::clone(&event)).is_err())
        {
            followed.remove(&job);
            self.following.store(followed.len(), Ordering::SeqCst);
        }
        if self.opened.load(Ordering::SeqCst) == 0 {
            return;
        }
        if let Some(sender) = &*lock(&self.events)
            && sender.receiver_count() > 0
        {
            // No receiver is no error: they come and go.
            let _ = sender.send(Arc::clone(&event));
        }
    }

    /// Ends every stream.
    pub(crate) fn close(&self) {
        lock(&self.events).take();
        lock(&self.followed).take();
        lock(&self.jobs).clear();
    }
}

fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

#[cfg(test)]
mod tests {
    use longhaul_types::{EventKind, JobId, Labels, Timestamp};

    use super::*;

    fn event() -> Event {
        Event {
            job_id: JobId::try_from("a".to_owned()).expect("an id"),
            owner: String::new(),
            kind: "test".to_owned(),
            labels: Labels::new(),
            revision: 1,
            time: Timestamp(0),
            event: EventKind::Removed,
        }
    }

    #[tokio::test]
    async fn an_event_is_made_once_and_for_those_who_listen_to_its_job() {
        let hub = Hub::new();
        hub.send(1, || panic!("nobody listens"));
        let mut one = hub.job_events(1);
        hub.send(2, || panic!("nobody listens to this job"));
        let mut all = hub.events();
        let mut made = 0;
        hub.send(1, || {
            made += 1;
            event()
        });
        assert_eq!(made, 1);
        assert!(matches!(one.next().await, Some(Heard::Event(_))));
        assert!(matches!(all.next().await, Some(Heard::Event(_))));
        drop(one);
        hub.send(1, event);
        assert_eq!(hub.following.load(Ordering::SeqCst), 0);
        hub.close();
        assert!(matches!(all.next().await, Some(Heard::Event(_))));
        assert!(all.next().await.is_none());
        assert!(hub.job_events(1).next().await.is_none());
    }

    #[tokio::test]
    async fn who_listens_to_one_job_is_not_behind_because_of_others() {
        let hub = Hub::new();
        let (mut one, mut all) = (hub.job_events(1), hub.events());
        hub.send(1, event);
        for _ in 0..=BACKLOG {
            hub.send(2, event);
        }
        assert!(matches!(one.next().await, Some(Heard::Event(_))));
        assert!(matches!(all.next().await, Some(Heard::Missed)));
        for _ in 0..=JOB_BACKLOG {
            hub.send(1, event);
        }
        assert!(matches!(one.next().await, Some(Heard::Missed)));
    }
}
