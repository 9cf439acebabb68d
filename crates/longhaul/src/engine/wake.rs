//! The signal that something may be due.
//!
//! Invariant: a wake-up that comes while the worker is busy is not lost, and reaches remote workers that wait too.

use std::sync::Arc;

use tokio::sync::{Notify, watch};

use super::Core;

/// Wakes the worker of this process, and whoever waits for a remote one.
#[derive(Debug)]
pub(crate) struct Wake {
    here: Notify,
    elsewhere: watch::Sender<u64>,
}

impl Wake {
    pub(crate) fn new() -> Self {
        Self {
            here: Notify::new(),
            elsewhere: watch::Sender::new(0),
        }
    }

    /// Says that something may be due.
    pub(crate) fn notify_one(&self) {
        self.here.notify_one();
        if self.elsewhere.receiver_count() > 0 {
            self.elsewhere.send_modify(|count| *count += 1);
        }
    }

    /// Ends when something may be due: for the one worker of this process.
    pub(crate) async fn notified(&self) {
        self.here.notified().await;
    }

    /// Changes whenever something may be due: for any number of others.
    pub(crate) fn subscribe(&self) -> watch::Receiver<u64> {
        self.elsewhere.subscribe()
    }
}

/// Wakes whoever waits for jobs when another process may have made one due, until the engine is closed.
pub(crate) async fn heed(core: Arc<Core>) {
    let mut due = core.store.due();
    loop {
        tokio::select! {
            result = due.changed() => {
                if result.is_err() {
                    return;
                }
                core.wake.notify_one();
            }
            () = core.closed.cancelled() => return,
        }
    }
}
