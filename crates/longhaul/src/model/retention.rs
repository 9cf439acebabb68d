//! How long what a job leaves is kept.

use std::time::Duration;

use longhaul_types::State;

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

    /// Time from the end of a job in `state` to the first thing that is to be removed after `age`.
    pub fn next_after(&self, state: State, age: Option<Duration>) -> Option<Duration> {
        [self.row(state), self.log, self.result, self.progress]
            .into_iter()
            .filter(|due| age.is_none_or(|age| *due > age))
            .min()
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
        assert_eq!(next(None), Some(Duration::from_hours(1)));
        assert_eq!(next(Some(Duration::from_hours(1))), Some(7 * DAY));
        assert_eq!(next(Some(7 * DAY)), Some(30 * DAY));
        assert_eq!(next(Some(30 * DAY)), None);
    }
}
