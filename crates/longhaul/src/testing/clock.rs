//! A clock that stands still until a test moves it.

use std::{sync::Arc, time::Duration};

use longhaul_types::Timestamp;
use tokio::sync::watch;

use crate::clock::{Clock, Sleep};

/// A clock that stands still until [`TestClock::advance`].
#[derive(Clone, Debug)]
pub struct TestClock {
    now: Arc<watch::Sender<Timestamp>>,
}

impl Default for TestClock {
    fn default() -> Self {
        Self::at(Timestamp(1_700_000_000_000))
    }
}

impl TestClock {
    /// A clock that shows `now`.
    pub fn at(now: Timestamp) -> Self {
        Self {
            now: Arc::new(watch::Sender::new(now)),
        }
    }

    /// Sets the clock, also back; sleeps that are over end.
    pub fn set(&self, now: Timestamp) {
        self.now.send_replace(now);
    }

    /// Moves the clock on; sleeps that are over end.
    pub fn advance(&self, duration: Duration) {
        self.now.send_modify(|now| *now = *now + duration);
    }
}

impl Clock for TestClock {
    fn now(&self) -> Timestamp {
        *self.now.borrow()
    }

    fn sleep(&self, duration: Duration) -> Sleep {
        let mut now = self.now.subscribe();
        let end = self.now() + duration;
        Box::pin(async move {
            // The sender lives as long as the clock; without one no time passes any more.
            if now.wait_for(|now| *now >= end).await.is_err() {
                std::future::pending::<()>().await;
            }
        })
    }
}
