//! How long what a job leaves is kept.

use std::time::Duration;

use longhaul_types::{State, worker::WorkerRetention};

const DAY: Duration = Duration::from_hours(24);

/// How long what a job leaves is kept after its end. The defaults: everything 30 days, the log 7 days.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Retention {
    /// The row of a completed job, with its items and artifacts.
    pub completed: Duration,
    /// The row of a failed job.
    pub failed: Duration,
    /// The row of a cancelled job.
    pub cancelled: Duration,
    /// The log.
    pub log: Duration,
    /// The result.
    pub result: Duration,
    /// The last progress.
    pub progress: Duration,
}

impl Default for Retention {
    fn default() -> Self {
        Self {
            completed: 30 * DAY,
            failed: 30 * DAY,
            cancelled: 30 * DAY,
            log: 7 * DAY,
            result: 30 * DAY,
            progress: 30 * DAY,
        }
    }
}

impl Retention {
    /// How long the row of a job that ended in `state` is kept.
    pub fn row(&self, state: State) -> Duration {
        match state {
            State::Failed => self.failed,
            State::Cancelled => self.cancelled,
            State::Pending | State::Running | State::Completed => self.completed,
        }
    }

    /// Time from the end of a job, in whichever state, to the first thing that is to be removed.
    pub fn first(&self) -> Duration {
        let rows = [self.completed, self.failed, self.cancelled];
        let parts = [self.log, self.result, self.progress];
        rows.into_iter().chain(parts).min().unwrap_or_default()
    }

    /// Time from the end of a job in `state` to the first thing that is to be removed after `age`.
    pub fn next_after(&self, state: State, age: Duration) -> Option<Duration> {
        [self.row(state), self.log, self.result, self.progress]
            .into_iter()
            .filter(|due| *due > age)
            .min()
    }
}

impl From<&Retention> for WorkerRetention {
    fn from(retention: &Retention) -> Self {
        let seconds = |time: Duration| Some(time.as_secs_f64());
        Self {
            completed: seconds(retention.completed),
            failed: seconds(retention.failed),
            cancelled: seconds(retention.cancelled),
            log: seconds(retention.log),
            result: seconds(retention.result),
            progress: seconds(retention.progress),
        }
    }
}

impl From<&WorkerRetention> for Retention {
    /// What is missing, or no time, is as for every kind; what is longer than any time is for ever.
    fn from(given: &WorkerRetention) -> Self {
        let usual = Self::default();
        let time = |seconds: Option<f64>, usual| match seconds {
            Some(seconds) if seconds >= 0.0 => {
                Duration::try_from_secs_f64(seconds).unwrap_or(Duration::MAX)
            }
            _ => usual,
        };
        Self {
            completed: time(given.completed, usual.completed),
            failed: time(given.failed, usual.failed),
            cancelled: time(given.cancelled, usual.cancelled),
            log: time(given.log, usual.log),
            result: time(given.result, usual.result),
            progress: time(given.progress, usual.progress),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_sweeper_comes_for_each_part_in_turn() {
        let retention = Retention {
            result: Duration::from_hours(1),
            ..Retention::default()
        };
        let next = |age| retention.next_after(State::Completed, age);
        assert_eq!(retention.first(), Duration::from_hours(1));
        assert_eq!(next(Duration::from_hours(1)), Some(7 * DAY));
        assert_eq!(next(7 * DAY), Some(30 * DAY));
        assert_eq!(next(30 * DAY), None);
    }

    #[test]
    fn it_is_written_and_read_as_seconds() {
        let retention = Retention {
            failed: Duration::from_millis(1500),
            log: Duration::MAX,
            ..Retention::default()
        };
        assert_eq!(
            Retention::from(&WorkerRetention::from(&retention)),
            retention
        );
        let given = WorkerRetention {
            failed: Some(1.5),
            result: Some(f64::NAN),
            ..WorkerRetention::default()
        };
        let read = Retention::from(&given);
        assert_eq!(read.failed, Duration::from_millis(1500));
        assert_eq!(read.result, Retention::default().result);
        assert_eq!(read.first(), Duration::from_millis(1500));
    }
}
