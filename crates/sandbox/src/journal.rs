//! What was asked of a stand-in and how it answered.
//!
//! Invariant: every request is in the journal before its answer begins, until [`MAX_REQUESTS`] newer ones came.

use std::{
    collections::VecDeque,
    sync::{
        Arc, Mutex, PoisonError,
        atomic::{AtomicU64, Ordering},
    },
};

/// The most requests a journal keeps; the oldest go first.
pub const MAX_REQUESTS: usize = 100_000;

/// A request of which ever more is sent.
pub(crate) trait Sent: Clone {
    /// How much was sent so far.
    fn sent(&mut self) -> &mut u64;
}

/// The requests so far.
#[derive(Debug)]
pub(crate) struct Journal<R>(Mutex<VecDeque<Entry<R>>>);

#[derive(Debug)]
struct Entry<R> {
    request: R,
    sent: Arc<AtomicU64>,
}

impl<R> Default for Journal<R> {
    fn default() -> Self {
        Self(Mutex::default())
    }
}

impl<R: Sent> Journal<R> {
    /// Adds a request; the counter returned is for what is sent of its answer.
    pub(crate) fn add(&self, request: R) -> Arc<AtomicU64> {
        let sent = Arc::new(AtomicU64::new(0));
        let mut entries = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        if entries.len() == MAX_REQUESTS {
            entries.pop_front();
        }
        entries.push_back(Entry {
            request,
            sent: Arc::clone(&sent),
        });
        sent
    }

    pub(crate) fn list(&self) -> Vec<R> {
        let entries = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        entries
            .iter()
            .map(|entry| {
                let mut request = entry.request.clone();
                *request.sent() = entry.sent.load(Ordering::Relaxed);
                request
            })
            .collect()
    }

    pub(crate) fn clear(&self) {
        self.0
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
            .clear();
    }
}
