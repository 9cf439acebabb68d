//! Events at a steady rate, so that the speed of what follows them can be measured.
//!
//! Invariant: over any time the number of events is the rate times that time, however late a single turn comes.

use std::{num::NonZeroU32, sync::Arc, time::Duration};

use tokio::time::{Instant, MissedTickBehavior, interval};

use super::{Error, Event, Shared, ledger::Ledger};

/// How often events are emitted, those due in one checkpoint.
const TURN: Duration = Duration::from_millis(10);
/// The most events of one checkpoint.
const MOST: u64 = 10_000;

/// Emits until the node stops. The first event is checked before.
pub(super) fn start(
    shared: Arc<Shared>,
    per_second: NonZeroU32,
    event: impl Fn(u64) -> Event + Send + 'static,
) -> Result<(), Error> {
    Ledger::check(event(0))?;
    tokio::spawn(async move {
        let start = Instant::now();
        let mut turns = interval(TURN);
        turns.set_missed_tick_behavior(MissedTickBehavior::Delay);
        let mut emitted = 0;
        while shared
            .stop
            .run_until_cancelled(turns.tick())
            .await
            .is_some()
        {
            let due = start.elapsed().as_millis() * u128::from(per_second.get()) / 1000;
            let due = u64::try_from(due).unwrap_or(u64::MAX).min(emitted + MOST);
            if due > emitted && shared.ledger.emit((emitted..due).map(&event)).is_err() {
                return;
            }
            emitted = due;
        }
    });
    Ok(())
}
