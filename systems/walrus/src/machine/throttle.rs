//! How much is done at a time: less while the machine is busy with other things, all of it again when it is not.
//!
//! Pure but for the clock and the load, which are handed in.

use std::{
    convert::Infallible,
    sync::{Mutex, PoisonError},
    time::Duration,
};

use tokio::{sync::watch, time::Instant};

use super::{Load, SystemLoad};

/// Others use so much of the processors' time: do half as much.
const BUSY: f64 = 0.6;
/// Others use less than this: do twice as much. The gap to [`BUSY`] keeps it from swinging.
const CALM: f64 = 0.3;
/// Halved so often at most: 64 is 1 then.
const MAX_STEP: u32 = 6;
/// Between two looks.
const INTERVAL: Duration = Duration::from_secs(1);

/// How far things are held back, and the load by which that was decided.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
pub(crate) struct Level {
    step: u32,
    others: f64,
}

impl Level {
    /// The level after others used this part of the processors' time.
    fn next(self, others: Option<f64>) -> Self {
        let step = match others {
            Some(others) if others >= BUSY => (self.step + 1).min(MAX_STEP),
            Some(others) if others < CALM => self.step.saturating_sub(1),
            _ => self.step,
        };
        Self {
            step,
            others: others.unwrap_or(self.others),
        }
    }

    /// How many of at most `most` may go on at a time: at least one.
    pub(crate) fn allowed(self, most: usize) -> usize {
        (most >> self.step).max(1)
    }

    /// What the log says of it, to a job of so many items at a time and verifications on so many threads.
    fn text(self, items: usize, threads: usize) -> String {
        let why = if self.step > 0 {
            "Processor busy with other work"
        } else {
            "Processor free again"
        };
        format!(
            "{why} ({:.0}%): {} at a time, verified on {}",
            self.others * 100.0,
            count(self.allowed(items), "item"),
            count(self.allowed(threads), "thread")
        )
    }
}

fn count(number: usize, noun: &str) -> String {
    match number {
        1 => format!("1 {noun}"),
        _ => format!("{number} {noun}s"),
    }
}

/// Watches the load, and tells how much may be done at a time.
#[derive(Debug)]
pub struct Throttle {
    interval: Duration,
    looked: Mutex<(Option<Instant>, Box<dyn Load>)>,
    level: watch::Sender<Level>,
}

impl Default for Throttle {
    fn default() -> Self {
        Self::new(SystemLoad::default(), INTERVAL)
    }
}

impl Throttle {
    /// By this load, looked at once in `interval` while a job runs.
    pub fn new(load: impl Load, interval: Duration) -> Self {
        Self {
            interval,
            looked: Mutex::new((None, Box::new(load))),
            level: watch::Sender::default(),
        }
    }

    /// The level now, and its changes.
    pub(crate) fn level(&self) -> watch::Receiver<Level> {
        self.level.subscribe()
    }

    /// Looks at the load again and again, and tells the changes that are seen by a job of so many items at a time and
    /// verifications on so many threads.
    pub(crate) async fn watch(
        &self,
        (items, threads): (usize, usize),
        tell: impl Fn(String),
    ) -> Infallible {
        let mut changes = self.level.subscribe();
        let mut told = Level::default();
        loop {
            let level = *changes.borrow_and_update();
            let seen = |level: Level| (level.allowed(items), level.allowed(threads));
            if seen(level) != seen(told) {
                tell(level.text(items, threads));
                told = level;
            }
            tokio::select! {
                () = tokio::time::sleep(self.interval) => self.look(Instant::now()),
                // The sender lives as long as this does.
                _ = changes.changed() => {}
            }
        }
    }

    /// Decides by the load since the last look, if that is long enough ago.
    fn look(&self, now: Instant) {
        let mut looked = self.looked.lock().unwrap_or_else(PoisonError::into_inner);
        let (last, load) = &mut *looked;
        let since = last.map(|last| now.saturating_duration_since(last));
        // Several jobs look: one look an interval is enough.
        if since.is_some_and(|since| since < self.interval / 2) {
            return;
        }
        *last = Some(now);
        let mut others = load.others();
        if since.is_none_or(|since| since > self.interval * 10) {
            // What was while nothing ran says nothing about now.
            others = None;
        }
        self.level.send_if_modified(|level| {
            let next = level.next(others);
            let changed = next.step != level.step;
            *level = next;
            changed
        });
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn step(step: u32) -> Level {
        Level { step, others: 0.0 }
    }

    #[test]
    fn a_busy_machine_halves_and_a_calm_one_doubles() {
        let after = |from: u32, others| step(from).next(others).step;
        assert_eq!(after(0, Some(0.6)), 1);
        assert_eq!(after(1, Some(1.0)), 2);
        assert_eq!(after(MAX_STEP, Some(1.0)), MAX_STEP);
        assert_eq!(after(2, Some(0.45)), 2);
        assert_eq!(after(2, Some(0.29)), 1);
        assert_eq!(after(0, Some(0.0)), 0);
    }

    #[test]
    fn a_machine_that_tells_nothing_changes_nothing() {
        assert_eq!(step(0).next(None).step, 0);
        assert_eq!(step(3).next(None).step, 3);
    }

    #[test]
    fn at_least_one_goes_on() {
        let allowed = |from| step(from).allowed(5);
        assert_eq!([0, 1, 2, 3, 6].map(allowed), [5, 2, 1, 1, 1]);
        assert_eq!(step(6).allowed(256), 4);
    }

    #[test]
    fn the_log_says_what_changed() {
        let level = step(0).next(Some(0.834));
        assert_eq!(
            level.text(5, 2),
            "Processor busy with other work (83%): 2 items at a time, verified on 1 thread"
        );
        assert_eq!(
            level.next(Some(0.1)).text(5, 2),
            "Processor free again (10%): 5 items at a time, verified on 2 threads"
        );
    }

    #[derive(Debug)]
    struct Busy;

    impl Load for Busy {
        fn others(&mut self) -> Option<f64> {
            Some(1.0)
        }
    }

    #[test]
    fn jobs_that_look_together_are_one_look_and_old_news_are_none() {
        let throttle = Throttle::new(Busy, INTERVAL);
        let start = Instant::now();
        let look = |at: f64| {
            throttle.look(start + INTERVAL.mul_f64(at));
            throttle.level.borrow().step
        };
        assert_eq!(look(0.0), 0, "nothing is known yet");
        assert_eq!(look(1.0), 1);
        assert_eq!(look(1.1), 1);
        assert_eq!(look(2.0), 2);
        assert_eq!(look(100.0), 2);
        assert_eq!(look(101.0), 3);
    }
}
