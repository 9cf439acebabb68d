//! A schedule: which jobs are submitted by themselves, when, and what becomes of times that were missed.
//!
//! Invariants: what is due is decided from the schedule, the time it was due and the time now alone ([`Schedule::due`]);
//! its next time only ever moves forward, so that a clock set back runs nothing twice.

use std::time::Duration;

use longhaul_types::{
    JobId, Labels, Timestamp,
    schedule::{Missed, Overlap},
};
use serde::{Deserialize, Serialize};

use super::{NewJob, timing::Times};

/// The label by which the jobs of a schedule are found: its value is the schedule's name.
pub const SCHEDULE_LABEL: &str = "schedule";
/// Bytes of a schedule's name.
pub const MAX_NAME: usize = 128;
/// A time that is looked at this long after it was due, or later, counts as missed.
pub const PUNCTUAL: Duration = Duration::from_mins(1);
/// Most jobs that make up for missed times at once.
pub const MAX_CATCH_UP: u32 = 1_000;
/// Jobs that make up for missed times when nothing else is said.
const CATCH_UP: u32 = 100;
/// Missed times that are counted one by one; a longer absence counts as this many.
const COUNTED: usize = 1_000;

/// Why a schedule can not be kept.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{0}")]
pub struct Invalid(pub(super) String);

/// What is to be submitted when.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Schedule {
    /// Its name, unique under its owner.
    #[serde(skip)]
    pub name: String,
    /// Whose it and its jobs are.
    #[serde(skip)]
    pub owner: String,
    /// When.
    pub timing: Timing,
    /// No time before this; of [`Timing::Every`], the first time.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub start: Option<Timestamp>,
    /// No time after this.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub end: Option<Timestamp>,
    /// What becomes of missed times.
    #[serde(default)]
    pub missed: Missed,
    /// How old a missed time may be to be made up for; none is any age.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub missed_window: Option<Duration>,
    /// Of [`Missed::All`], jobs at most.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub missed_limit: Option<u32>,
    /// What becomes of a time at which the job before still lives.
    #[serde(default)]
    pub overlap: Overlap,
    /// Whether nothing is submitted until somebody resumes it; none leaves it as it was.
    #[serde(skip)]
    pub paused: Option<bool>,
    /// Which job.
    pub job: Template,
}

/// When the jobs of a schedule are submitted.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Timing {
    /// At the times of a cron expression.
    Cron {
        /// Five fields, or six with seconds first.
        expression: String,
        /// IANA name of the time zone.
        zone: String,
    },
    /// Again and again after this long.
    Every(Duration),
}

/// What the jobs of a schedule are like: what is not said here comes from their kind.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Template {
    /// Their kind.
    pub kind: String,
    /// Version of the args; the kind's own when none.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub args_version: Option<u32>,
    /// Args, JSON text.
    pub args: String,
    /// Queue.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub queue: Option<String>,
    /// Higher runs first.
    #[serde(default)]
    pub priority: i16,
    /// Names to values.
    #[serde(default, skip_serializing_if = "Labels::is_empty")]
    pub labels: Labels,
    /// Attempts in all.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub max_attempts: Option<u32>,
    /// Time one attempt may take.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub attempt_timeout: Option<Duration>,
    /// Time the whole job may take from its first start.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub timeout: Option<Duration>,
}

/// A schedule as a store keeps it.
#[derive(Clone, Debug, PartialEq)]
pub struct Scheduled {
    /// What was asked for; `paused` says how it stands.
    pub schedule: Schedule,
    /// Its next time; none while it is paused and after its end.
    pub next_at: Option<Timestamp>,
    /// When that is looked at: later than due after it could not be submitted.
    pub look_at: Option<Timestamp>,
    /// Time of the last job it submitted, and that job.
    pub last: Option<(Timestamp, JobId)>,
    /// Jobs it submitted.
    pub submitted: u64,
    /// Missed times without a job.
    pub missed: u64,
    /// Times skipped because the job before still lived.
    pub skipped: u64,
    /// Why the time that is due could not be submitted yet.
    pub error: Option<String>,
    /// When it was first put there.
    pub created_at: Timestamp,
    /// When it was last put, paused or resumed.
    pub updated_at: Timestamp,
    /// Rises with every change.
    pub revision: u64,
}

/// What is to be done about a schedule whose time has come.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Due {
    /// The times for which a job is submitted, in order.
    pub times: Vec<Timestamp>,
    /// Times that pass without one.
    pub missed: u64,
    /// Its next time.
    pub next_at: Option<Timestamp>,
}

impl Schedule {
    /// A schedule that submits `job` at the times of a cron expression, in UTC.
    pub fn cron(name: impl Into<String>, expression: impl Into<String>, job: NewJob) -> Self {
        let timing = Timing::Cron {
            expression: expression.into(),
            zone: "UTC".to_owned(),
        };
        Self::new(name.into(), timing, job)
    }

    /// A schedule that submits `job` again and again, first after `interval`.
    pub fn every(name: impl Into<String>, interval: Duration, job: NewJob) -> Self {
        Self::new(name.into(), Timing::Every(interval), job)
    }

    /// Of the job, its id, start and keys do not count: each is a job of its own, that starts at its time.
    fn new(name: String, timing: Timing, job: NewJob) -> Self {
        Self {
            name,
            owner: job.owner,
            timing,
            start: None,
            end: None,
            missed: Missed::default(),
            missed_window: None,
            missed_limit: None,
            overlap: Overlap::default(),
            paused: None,
            job: Template {
                kind: job.kind,
                args_version: job.args_version,
                args: job.args,
                queue: job.queue,
                priority: job.priority,
                labels: job.labels,
                max_attempts: job.max_attempts,
                attempt_timeout: job.attempt_timeout,
                timeout: job.timeout,
            },
        }
    }

    /// In the time zone of this IANA name, `Europe/Berlin` say.
    #[must_use]
    pub fn zone(mut self, name: impl Into<String>) -> Self {
        if let Timing::Cron { zone, .. } = &mut self.timing {
            *zone = name.into();
        }
        self
    }

    /// With no time before this; of an interval, with the first time then.
    #[must_use]
    pub fn starting(mut self, time: Timestamp) -> Self {
        self.start = Some(time);
        self
    }

    /// With no time after this.
    #[must_use]
    pub fn until(mut self, time: Timestamp) -> Self {
        self.end = Some(time);
        self
    }

    /// With this for missed times.
    #[must_use]
    pub fn missed(mut self, missed: Missed) -> Self {
        self.missed = missed;
        self
    }

    /// With nothing for missed times that are older than this.
    #[must_use]
    pub fn missed_window(mut self, window: Duration) -> Self {
        self.missed_window = Some(window);
        self
    }

    /// With so many jobs at most for missed times, of [`Missed::All`].
    #[must_use]
    pub fn missed_limit(mut self, limit: u32) -> Self {
        self.missed_limit = Some(limit);
        self
    }

    /// With this for times at which the job before still lives.
    #[must_use]
    pub fn overlap(mut self, overlap: Overlap) -> Self {
        self.overlap = overlap;
        self
    }

    /// Paused, or not.
    #[must_use]
    pub fn paused(mut self, paused: bool) -> Self {
        self.paused = Some(paused);
        self
    }

    /// Sees that it can be kept.
    pub fn validate(&self) -> Result<(), Invalid> {
        if self.name.is_empty()
            || self.name.len() > MAX_NAME
            || self.name.chars().any(char::is_control)
            || self.name == "."
            || self.name == ".."
        {
            return Err(Invalid(format!(
                "a schedule's name is text of 1 to {MAX_NAME} bytes without control characters, and not . or .."
            )));
        }
        match self.missed_limit {
            Some(limit) if !(1..=MAX_CATCH_UP).contains(&limit) => {
                return Err(Invalid(format!(
                    "the limit of jobs for missed times is 1 to {MAX_CATCH_UP}, not {limit}"
                )));
            }
            _ => {}
        }
        Times::of(&self.timing).map(drop)
    }

    /// Its first time after `now`, which there must be.
    pub fn some_first(&self, now: Timestamp) -> Result<Timestamp, Invalid> {
        self.first(now)?.ok_or_else(|| {
            Invalid(match self.end {
                Some(end) => {
                    format!("it submits no job: none of its times comes before its end, {end}")
                }
                None => "it never submits a job: no day has such a time".to_owned(),
            })
        })
    }

    /// Its first time after `now`.
    pub fn first(&self, now: Timestamp) -> Result<Option<Timestamp>, Invalid> {
        let times = Times::of(&self.timing)?;
        let first = match (self.start, &self.timing) {
            (None, _) => times.after(now),
            (Some(start), Timing::Cron { .. }) => {
                times.after(now.max(start - Duration::from_millis(1)))
            }
            (Some(start), Timing::Every(_)) if start > now => Some(start),
            (Some(start), Timing::Every(_)) => times.after(times.last(start, now)),
        };
        Ok(self.bounded(first))
    }

    /// The next `count` times, from `next_at` on.
    pub fn next_times(&self, next_at: Option<Timestamp>, count: usize) -> Vec<Timestamp> {
        let Ok(times) = Times::of(&self.timing) else {
            return Vec::new();
        };
        let after = |at: &Timestamp| self.bounded(times.after(*at));
        std::iter::successors(next_at, after).take(count).collect()
    }

    /// What is to be done at `now` about a schedule whose time was `next_at`.
    ///
    /// The newest time that has passed is punctual when that was less than [`PUNCTUAL`] ago, and gets its job. All other
    /// times are missed: what becomes of them is said by [`Missed`].
    pub fn due(&self, next_at: Timestamp, now: Timestamp) -> Result<Due, Invalid> {
        let times = Times::of(&self.timing)?;
        if next_at > now {
            return Ok(Due {
                times: Vec::new(),
                missed: 0,
                next_at: Some(next_at),
            });
        }
        let last = self.end.map_or(now, |end| end.min(now));
        let passed: Vec<Timestamp> = std::iter::successors(Some(next_at), |at| times.after(*at))
            .take_while(|at| *at <= last)
            .take(COUNTED)
            .collect();
        let mut newest = passed.last().copied().unwrap_or(next_at);
        let mut candidates = passed.clone();
        if passed.len() == COUNTED {
            // A long absence: the newest times are found from now on back.
            newest = newest.max(times.last(next_at, last));
            candidates = std::iter::successors(Some(newest), |at| times.before(next_at, *at))
                .take_while(|at| *at >= next_at)
                .take(COUNTED)
                .collect();
            candidates.reverse();
        }
        let punctual = now.since(newest) < PUNCTUAL;
        let young = |at: &Timestamp| {
            self.missed_window
                .is_none_or(|window| now.since(*at) <= window)
        };
        let most = match self.missed {
            Missed::Skip => usize::from(punctual),
            Missed::Once => 1,
            Missed::All => self.missed_limit.unwrap_or(CATCH_UP).min(MAX_CATCH_UP) as usize,
        };
        let mut due: Vec<Timestamp> = candidates
            .into_iter()
            .rev()
            .filter(|at| young(at) || (punctual && *at == newest))
            .take(most)
            .collect();
        due.reverse();
        Ok(Due {
            missed: (passed.len() - due.len().min(passed.len())) as u64,
            times: due,
            next_at: self.bounded(times.after(newest)),
        })
    }

    /// The job of one of its times; of none, when somebody asks for one.
    pub fn job_at(&self, time: Option<Timestamp>) -> NewJob {
        let mut labels = self.job.labels.clone();
        labels
            .entry(SCHEDULE_LABEL.to_owned())
            .or_insert_with(|| self.name.clone());
        NewJob {
            args_version: self.job.args_version,
            owner: self.owner.clone(),
            queue: self.job.queue.clone(),
            priority: self.job.priority,
            labels,
            // The second job of a time is the first one, whoever submits it.
            idempotency_key: time.map(|time| format!("schedule:{}@{}", self.name, time.0)),
            unique_key: (self.overlap == Overlap::Skip).then(|| format!("schedule:{}", self.name)),
            max_attempts: self.job.max_attempts,
            attempt_timeout: self.job.attempt_timeout,
            timeout: self.job.timeout,
            ..NewJob::raw(self.job.kind.clone(), self.job.args.clone())
        }
    }

    /// Whether its times are those of `other`.
    pub fn same_times(&self, other: &Self) -> bool {
        self.timing == other.timing && self.start == other.start && self.end == other.end
    }

    fn bounded(&self, time: Option<Timestamp>) -> Option<Timestamp> {
        time.filter(|time| self.end.is_none_or(|end| *time <= end))
    }
}

impl Scheduled {
    /// Whether it is paused.
    pub fn is_paused(&self) -> bool {
        self.schedule.paused == Some(true)
    }

    /// Its next times.
    pub fn next_times(&self, count: usize) -> Vec<Timestamp> {
        self.schedule.next_times(self.next_at, count)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// `minutes` after the start of a day.
    fn at(minutes: u64) -> Timestamp {
        let day: Timestamp = "2026-06-01T00:00:00Z".parse().expect("a time");
        day + Duration::from_mins(minutes)
    }

    /// Every ten minutes.
    fn schedule(missed: Missed) -> Schedule {
        Schedule::cron("s", "*/10 * * * *", NewJob::raw("k", "{}")).missed(missed)
    }

    fn due(schedule: &Schedule, next: u64, now: Timestamp) -> (Vec<Timestamp>, u64) {
        let due = schedule.due(at(next), now).expect("times");
        let next = due.next_at.expect("a next time");
        assert!(next > now, "it moves past now");
        (due.times, due.missed)
    }

    #[test]
    fn a_punctual_time_has_its_job_whatever_the_policy() {
        for missed in Missed::ALL {
            let now = at(10) + Duration::from_secs(59);
            assert_eq!(
                due(&schedule(missed), 10, now),
                (vec![at(10)], 0),
                "{missed}"
            );
        }
    }

    #[test]
    fn missed_times_are_made_up_for_as_the_policy_says() {
        let now = at(45);
        assert_eq!(due(&schedule(Missed::Skip), 10, now), (vec![], 4));
        assert_eq!(due(&schedule(Missed::Once), 10, now), (vec![at(40)], 3));
        let all = vec![at(10), at(20), at(30), at(40)];
        assert_eq!(due(&schedule(Missed::All), 10, now), (all, 0));
        let two = schedule(Missed::All).missed_limit(2);
        assert_eq!(due(&two, 10, now), (vec![at(30), at(40)], 2));
        // The newest is punctual: it stands for the others where one is enough.
        assert_eq!(due(&schedule(Missed::Skip), 10, at(40)), (vec![at(40)], 3));
        assert_eq!(due(&schedule(Missed::Once), 10, at(40)), (vec![at(40)], 3));
    }

    #[test]
    fn a_window_leaves_old_times_alone() {
        let window = |missed| schedule(missed).missed_window(Duration::from_mins(16));
        assert_eq!(
            due(&window(Missed::All), 10, at(45)),
            (vec![at(30), at(40)], 2)
        );
        let narrow = |missed| schedule(missed).missed_window(Duration::from_secs(1));
        assert_eq!(due(&narrow(Missed::Once), 10, at(45)), (vec![], 4));
        // A window of nothing takes no punctual time away.
        let now = at(40) + Duration::from_secs(30);
        assert_eq!(due(&narrow(Missed::Once), 10, now), (vec![at(40)], 3));
    }

    #[test]
    fn a_long_absence_is_short_work_and_the_newest_count() {
        let every_second = |missed| Schedule {
            timing: Timing::Cron {
                expression: "* * * * * *".to_owned(),
                zone: "UTC".to_owned(),
            },
            ..schedule(missed).missed_limit(3)
        };
        let now = at(60 * 24 * 365);
        let newest = vec![
            now - Duration::from_secs(2),
            now - Duration::from_secs(1),
            now,
        ];
        let began = std::time::Instant::now();
        assert_eq!(due(&every_second(Missed::All), 0, now).0, newest);
        let interval = Schedule {
            timing: Timing::Every(Duration::from_secs(1)),
            ..every_second(Missed::All)
        };
        assert_eq!(due(&interval, 0, now), (newest, 997));
        assert!(began.elapsed() < Duration::from_secs(5));
    }

    #[test]
    fn nothing_comes_before_the_start_or_after_the_end() {
        let schedule = schedule(Missed::All).starting(at(20)).until(at(40));
        assert_eq!(schedule.first(at(0)), Ok(Some(at(20))));
        assert_eq!(schedule.first(at(40)), Ok(None));
        let due = schedule.due(at(20), at(90)).expect("times");
        assert_eq!(
            (due.times, due.next_at),
            (vec![at(20), at(30), at(40)], None)
        );
        assert!(schedule.some_first(at(40)).is_err());
        assert_eq!(schedule.next_times(Some(at(30)), 5), [at(30), at(40)]);
    }

    #[test]
    fn an_interval_counts_from_its_start() {
        let every = Schedule::every("s", Duration::from_mins(7), NewJob::raw("k", "{}"));
        assert_eq!(every.first(at(3)), Ok(Some(at(10))));
        let from = every.starting(at(20));
        assert_eq!(from.first(at(3)), Ok(Some(at(20))));
        assert_eq!(from.first(at(20)), Ok(Some(at(27))));
        assert_eq!(from.first(at(40)), Ok(Some(at(41))));
    }

    #[test]
    fn a_time_that_has_not_come_changes_nothing() {
        let due = schedule(Missed::All).due(at(10), at(9)).expect("times");
        assert_eq!(
            (due.times, due.missed, due.next_at),
            (vec![], 0, Some(at(10)))
        );
    }

    #[test]
    fn names_and_limits_are_checked() {
        let named = |name: &str| Schedule {
            name: name.to_owned(),
            ..schedule(Missed::All)
        };
        for bad in ["", ".", "..", "a\nb", &"x".repeat(129)] {
            assert!(named(bad).validate().is_err(), "{bad}");
        }
        assert_eq!(named("every night/1 ü").validate(), Ok(()));
        for limit in [0, 1_001] {
            assert!(named("s").missed_limit(limit).validate().is_err());
        }
    }
}
