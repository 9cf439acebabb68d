//! Queues: how they stand, and their pauses.
//!
//! Invariants: a pause is on disk when it is answered, and holds in every process until the resume. The store refuses claims
//! by itself; checks of jobs kept between two checks are claimed by nobody, so what is paused is kept here too.

use std::{
    collections::{BTreeMap, BTreeSet},
    sync::PoisonError,
};

use longhaul_types::{State, Timestamp, body::Counts};

use super::{Core, Engine, Error};

/// A queue as this process sees it.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Queue {
    /// Its name.
    pub name: String,
    /// Since when it is paused, if it is.
    pub paused_at: Option<Timestamp>,
    /// Runs at a time in this process; 0 when it claims nothing of it.
    pub concurrency: u32,
    /// Since when the job is due that was submitted first of those that wait for a slot; only where every owner's jobs are
    /// asked for.
    pub waiting_since: Option<Timestamp>,
    /// Its jobs, of one owner or of all, by state.
    pub counts: Counts,
}

impl Engine {
    /// The queues that a kind names, that this process has slots for, that hold jobs (of one owner, or any), or that are
    /// paused; by name.
    pub async fn queues(&self, owner: Option<&str>) -> Result<Vec<Queue>, Error> {
        let core = &self.core;
        let mut queues: BTreeMap<String, Queue> = BTreeMap::new();
        for kind in core.store.kinds().await? {
            queues.entry(kind.queue).or_default();
        }
        for (queue, slots) in &core.slots {
            queues.entry(queue.clone()).or_default().concurrency = *slots;
        }
        for ((_, queue), counts) in core.store.counts(owner).await? {
            let sum = &mut queues.entry(queue).or_default().counts;
            for state in State::ALL {
                *sum.of_mut(state) += counts.of(state);
            }
        }
        for (queue, since) in core.store.paused().await? {
            queues.entry(queue).or_default().paused_at = Some(since);
        }
        if owner.is_none() {
            let now = core.clock.now();
            for (queue, since) in core.store.waiting(now).await? {
                queues.entry(queue).or_default().waiting_since = Some(since);
            }
        }
        let named = queues
            .into_iter()
            .map(|(name, queue)| Queue { name, ..queue });
        Ok(named.collect())
    }

    /// Whether a queue is paused, as far as this process knows.
    pub fn is_paused(&self, queue: &str) -> bool {
        self.core.is_paused(queue)
    }

    /// Pauses a queue, here and in every other process, until [`Self::resume_queue`]: no job of it starts, jobs that run go
    /// on, and monitors between two checks keep still. Deadlines go on. Pausing twice is no error.
    ///
    /// # Errors
    /// [`Error::UnknownQueue`] when there is no such queue.
    pub async fn pause_queue(&self, name: &str) -> Result<Queue, Error> {
        self.queue(name).await?;
        let now = self.core.clock.now();
        self.core.store.pause(name, now).await?;
        self.core.read_pauses().await?;
        self.queue(name).await
    }

    /// Lets a queue's jobs start again, at once; checks that became due meanwhile are made at once too. Resuming a queue
    /// that is not paused is no error.
    ///
    /// # Errors
    /// [`Error::UnknownQueue`] when there is no such queue.
    pub async fn resume_queue(&self, name: &str) -> Result<Queue, Error> {
        // Looked at first: once resumed, an empty queue may be unknown.
        let known = self.queue(name).await?;
        self.core.store.resume(name).await?;
        self.core.read_pauses().await?;
        Ok(Queue {
            paused_at: None,
            ..known
        })
    }

    async fn queue(&self, name: &str) -> Result<Queue, Error> {
        let mut queues = self.queues(None).await?.into_iter();
        let found = queues.find(|queue| queue.name == name);
        found.ok_or_else(|| Error::UnknownQueue(name.to_owned()))
    }
}

impl Core {
    /// Whether nothing of a queue is to start, as far as this process knows.
    pub(crate) fn is_paused(&self, queue: &str) -> bool {
        self.paused
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
            .contains(queue)
    }

    /// Learns from the store what is paused, and wakes the worker when that has changed.
    pub(crate) async fn read_pauses(&self) -> Result<(), Error> {
        // One at a time: what is read last is what is known.
        let _turn = self.reading_pauses.lock().await;
        let now: BTreeSet<String> = self.store.paused().await?.into_keys().collect();
        let before = {
            let mut paused = self.paused.lock().unwrap_or_else(PoisonError::into_inner);
            std::mem::replace(&mut *paused, now.clone())
        };
        if before != now {
            self.wake.notify_one();
        }
        Ok(())
    }
}
