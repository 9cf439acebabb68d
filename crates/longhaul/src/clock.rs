//! Time as a parameter: the engine asks a clock, and tests hand in one that they move by hand.

use std::{fmt, future::Future, pin::Pin, sync::Arc, time::Duration};

use longhaul_types::Timestamp;

/// A wait that a clock ends.
pub type Sleep = Pin<Box<dyn Future<Output = ()> + Send>>;

/// Where time comes from.
pub trait Clock: fmt::Debug + Send + Sync + 'static {
    /// The time now.
    fn now(&self) -> Timestamp;

    /// Ends when the clock has gone on by `duration`.
    fn sleep(&self, duration: Duration) -> Sleep;
}

/// A clock that is shared.
pub type SharedClock = Arc<dyn Clock>;

/// The machine's clock.
#[derive(Clone, Copy, Debug, Default)]
pub struct SystemClock;

impl Clock for SystemClock {
    fn now(&self) -> Timestamp {
        Timestamp::now()
    }

    fn sleep(&self, duration: Duration) -> Sleep {
        Box::pin(tokio::time::sleep(duration))
    }
}
