//! What was asked of the stand-in and how it answered.
//!
//! Invariant: every request for a blob is in the journal before its answer begins, until [`MAX_REQUESTS`] newer ones came.

use std::{
    collections::VecDeque,
    sync::{
        Arc, Mutex, PoisonError,
        atomic::{AtomicU64, Ordering},
    },
};

use serde::{Deserialize, Serialize};

/// The most requests a journal keeps; the oldest go first.
pub const MAX_REQUESTS: usize = 100_000;

/// One request and its answer.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Request {
    /// The method, such as `GET`.
    pub method: String,
    /// The blob asked for, as it stood in the path.
    pub blob: String,
    /// The `Range` header as it was sent, or the equivalent of a `byte-range` request.
    #[serde(skip_serializing_if = "Option::is_none", default)]
    pub range: Option<String>,
    /// The status answered.
    pub status: u16,
    /// Bytes of the body handed to the connection so far.
    pub sent: u64,
}

#[derive(Debug, Default)]
pub(super) struct Journal(Mutex<VecDeque<Entry>>);

#[derive(Debug)]
struct Entry {
    request: Request,
    sent: Arc<AtomicU64>,
}

impl Journal {
    /// Adds a request; the counter returned is for the bytes of its body.
    pub(super) fn add(&self, request: Request) -> Arc<AtomicU64> {
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

    pub(super) fn list(&self) -> Vec<Request> {
        let entries = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        entries
            .iter()
            .map(|entry| Request {
                sent: entry.sent.load(Ordering::Relaxed),
                ..entry.request.clone()
            })
            .collect()
    }

    pub(super) fn clear(&self) {
        self.0
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
            .clear();
    }
}
