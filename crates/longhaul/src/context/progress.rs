//! Progress as a run reports it: kept in memory, with rate and time left measured.

use std::{collections::VecDeque, time::Duration};

use longhaul_types::{Progress, Timestamp, progress::percentage};
use serde_json::Value;

use super::Context;

/// The rate is measured over this time.
const WINDOW: Duration = Duration::from_secs(30);
const SAMPLES: usize = 32;

/// The progress of a held job.
#[derive(Debug)]
pub(crate) struct Report {
    progress: Progress,
    samples: VecDeque<(Timestamp, u64)>,
    written: Option<Progress>,
    changed: bool,
}

impl Report {
    pub(super) fn new(progress: Progress) -> Self {
        Self {
            written: Some(progress.clone()),
            progress,
            samples: VecDeque::new(),
            changed: false,
        }
    }

    pub(super) fn is_changed(&self) -> bool {
        self.changed
    }

    pub(super) fn changed(&mut self) {
        self.written = None;
        self.changed = true;
    }

    /// The progress with its rate, if it differs from what was last taken.
    pub(super) fn take(&mut self, now: Timestamp) -> Option<Progress> {
        if !std::mem::take(&mut self.changed) {
            return None;
        }
        if self.is_as_written() {
            return None;
        }
        self.measure(now);
        self.written = Some(self.progress.clone());
        Some(self.progress.clone())
    }

    /// Whether what the handler reported is what is on disk, whatever the measured rate says.
    fn is_as_written(&self) -> bool {
        self.written.as_ref().is_some_and(|written| {
            written.current == self.progress.current
                && written.total == self.progress.total
                && written.current_task == self.progress.current_task
                && written.unit == self.progress.unit
                && written.metadata == self.progress.metadata
        })
    }

    fn measure(&mut self, now: Timestamp) {
        let current = self.progress.current;
        if self.samples.back().is_some_and(|(_, last)| *last > current) {
            self.samples.clear();
        }
        if self.samples.len() == SAMPLES {
            // Every second sample goes, so that the window stays long without growing.
            let mut keep = false;
            self.samples.retain(|_| {
                keep = !keep;
                keep
            });
        }
        self.samples.push_back((now, current));
        while self.samples.len() > 2
            && self
                .samples
                .get(1)
                .is_some_and(|(time, _)| now.since(*time) > WINDOW)
        {
            self.samples.pop_front();
        }
        let Some((first, start)) = self.samples.front().copied() else {
            return;
        };
        let seconds = now.since(first).as_secs_f64();
        #[expect(clippy::cast_precision_loss, reason = "an estimate")]
        let rate = (seconds > 0.0 && current > start).then(|| (current - start) as f64 / seconds);
        self.progress.rate = rate;
        #[expect(clippy::cast_precision_loss, reason = "an estimate")]
        let left = self
            .progress
            .total
            .map(|total| total.saturating_sub(current) as f64);
        self.progress.time_left = match (left, rate) {
            (Some(0.0), _) => Some(0.0),
            (Some(left), Some(rate)) => Some(left / rate),
            _ => None,
        };
        self.progress.percentage = self.progress.total.map(|total| percentage(current, total));
    }
}

impl super::Held {
    /// Changes the progress; it waits for the next write.
    pub(crate) fn set_progress(&self, change: impl FnOnce(&mut Progress)) -> bool {
        self.report(|report| {
            change(&mut report.progress);
            report.changed = true;
        })
    }
}

/// Reports progress; each call takes effect at once.
#[derive(Debug)]
pub struct Reporter<'a> {
    context: &'a Context,
}

impl<'a> Reporter<'a> {
    pub(super) fn new(context: &'a Context) -> Self {
        Self { context }
    }

    fn change(self, change: impl FnOnce(&mut Progress)) -> Self {
        if self.context.held.set_progress(change) {
            self.context.core.mark_dirty(&self.context.held);
        }
        self
    }

    /// Units done, and units in all.
    #[expect(
        clippy::return_self_not_must_use,
        reason = "the call has had its effect"
    )]
    pub fn set(self, current: u64, total: u64) -> Self {
        self.change(|progress| {
            progress.current = current;
            progress.total = Some(total);
        })
    }

    /// Units done.
    #[expect(
        clippy::return_self_not_must_use,
        reason = "the call has had its effect"
    )]
    pub fn current(self, current: u64) -> Self {
        self.change(|progress| progress.current = current)
    }

    /// Units more than before.
    #[expect(
        clippy::return_self_not_must_use,
        reason = "the call has had its effect"
    )]
    pub fn advance(self, by: u64) -> Self {
        self.change(|progress| progress.current = progress.current.saturating_add(by))
    }

    /// Units in all, or none when not known.
    #[expect(
        clippy::return_self_not_must_use,
        reason = "the call has had its effect"
    )]
    pub fn total(self, total: impl Into<Option<u64>>) -> Self {
        let total = total.into();
        self.change(|progress| progress.total = total)
    }

    /// What a unit is: `bytes`, `items`.
    #[expect(
        clippy::return_self_not_must_use,
        reason = "the call has had its effect"
    )]
    pub fn unit(self, unit: &str) -> Self {
        self.change(|progress| progress.unit = Some(unit.to_owned()))
    }

    /// What is being done just now.
    #[expect(
        clippy::return_self_not_must_use,
        reason = "the call has had its effect"
    )]
    pub fn task(self, task: impl Into<String>) -> Self {
        let task = super::cut(task.into(), self.context.core.limits.name * 4);
        self.change(|progress| progress.current_task = Some(task))
    }

    /// Whatever else should show. A value that takes the metadata past its limit is left out.
    #[expect(
        clippy::return_self_not_must_use,
        reason = "the call has had its effect"
    )]
    pub fn metadata(self, name: &str, value: impl Into<Value>) -> Self {
        let limit = self.context.core.limits.metadata;
        let value = value.into();
        self.change(|progress| {
            let before = progress.metadata.insert(name.to_owned(), value);
            let size =
                serde_json::to_string(&progress.metadata).map_or(usize::MAX, |text| text.len());
            if size > limit {
                progress.metadata.remove(name);
                if let Some(before) = before {
                    progress.metadata.insert(name.to_owned(), before);
                }
            }
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn at(report: &mut Report, second: i64, current: u64) -> Option<Progress> {
        report.progress.current = current;
        report.changed = true;
        report.take(Timestamp(second * 1000))
    }

    #[test]
    fn the_rate_of_late_gives_the_time_left() {
        let mut report = Report::new(Progress {
            total: Some(100),
            ..Progress::default()
        });
        assert_eq!(at(&mut report, 0, 1).and_then(|p| p.rate), None);
        let progress = at(&mut report, 10, 41).expect("changed");
        assert_eq!(progress.rate, Some(4.0));
        assert_eq!(progress.percentage, Some(41));
        assert_eq!(progress.time_left, Some(59.0 / 4.0));
        let last = at(&mut report, 20, 100).expect("changed");
        assert_eq!((last.time_left, last.percentage), (Some(0.0), Some(100)));
    }

    #[test]
    fn what_did_not_change_is_not_written() {
        let mut report = Report::new(Progress::default());
        assert!(at(&mut report, 1, 5).is_some());
        assert!(at(&mut report, 2, 5).is_none());
        report.changed();
        assert!(at(&mut report, 3, 5).is_some());
    }

    #[test]
    fn samples_stay_few() {
        let mut report = Report::new(Progress::default());
        for second in 0..10_000 {
            at(
                &mut report,
                second,
                u64::try_from(second).expect("positive") + 1,
            );
            assert!(report.samples.len() <= SAMPLES);
        }
    }
}
