//! When a job should end, from how long those before it took.
//!
//! Invariant: absent rather than invented. A kind that has completed too few jobs since this process began, a job that takes
//! longer than nearly all before it, and a wait that depends on something unknown have no estimate.

use std::{
    collections::{HashMap, VecDeque},
    sync::{Arc, Mutex, PoisonError},
    time::Duration,
};

use longhaul_types::{State, Timestamp};

use super::{Core, Engine};
use crate::{
    model::{Job, NewJob, Start},
    store::CountsBy,
};

/// Jobs of a kind that are remembered, the latest.
const KEPT: usize = 64;
/// Fewer than these say nothing.
const FEWEST: usize = 5;
/// Kinds that are remembered.
const KINDS: usize = 1024;
/// Of the jobs before, in tenths, those that took no longer than an estimate says.
const TENTHS: usize = 8;
/// How old the counts may be from which a wait is estimated: a submission must not cost a read.
const FRESH: Duration = Duration::from_secs(1);

/// How long the latest jobs of each kind took, from their first start to their completion.
#[derive(Debug, Default)]
pub(crate) struct History {
    kinds: Mutex<HashMap<String, VecDeque<Duration>>>,
    counts: Mutex<Option<(Timestamp, Arc<CountsBy>)>>,
}

impl History {
    /// A job of this kind completed after this time.
    pub(crate) fn took(&self, kind: &str, time: Duration) {
        let mut kinds = self.kinds.lock().unwrap_or_else(PoisonError::into_inner);
        if !kinds.contains_key(kind) {
            if kinds.len() == KINDS {
                return;
            }
            kinds.insert(kind.to_owned(), VecDeque::with_capacity(KEPT));
        }
        if let Some(times) = kinds.get_mut(kind) {
            if times.len() == KEPT {
                times.pop_front();
            }
            times.push_back(time);
        }
    }

    /// The time within which eight of ten jobs of a kind completed, of those that took longer than `so_far`.
    fn usual(&self, kind: &str, so_far: Duration) -> Option<Duration> {
        let mut times = self.longer(kind, so_far)?;
        times.sort_unstable();
        times.get((times.len() * TENTHS).div_ceil(10) - 1).copied()
    }

    fn mean(&self, kind: &str) -> Option<Duration> {
        let times = self.longer(kind, Duration::ZERO)?;
        let count = u32::try_from(times.len()).ok()?;
        Some(times.iter().sum::<Duration>() / count)
    }

    /// What took longer than `so_far`, when that is enough to say something.
    fn longer(&self, kind: &str, so_far: Duration) -> Option<Vec<Duration>> {
        let kinds = self.kinds.lock().unwrap_or_else(PoisonError::into_inner);
        let times = kinds.get(kind)?.iter().copied();
        let longer: Vec<Duration> = times.filter(|time| *time >= so_far).collect();
        (longer.len() >= FEWEST).then_some(longer)
    }
}

impl Engine {
    /// When a running job should end, as those of its kind before it did; none when they say nothing of it.
    pub fn estimate_end(&self, job: &Job) -> Option<Timestamp> {
        if job.state() != State::Running || job.cancel_requested() {
            return None;
        }
        let started_at = job.started_at?;
        let so_far = self.core.clock.now().since(started_at);
        Some(started_at + self.core.history.usual(&job.kind, so_far)?)
    }

    /// When a job should end that is submitted now; none when that is not known.
    pub async fn estimate_new(&self, job: &NewJob) -> Option<Timestamp> {
        let core = &self.core;
        let kind = core.kinds.get(&job.kind)?;
        let usual = core.history.usual(&job.kind, Duration::ZERO)?;
        let now = core.clock.now();
        let due = match job.start {
            Start::Now => now,
            Start::At(time) => time,
            Start::After(wait) => now + wait,
            Start::Held => return None,
        };
        let queue = job.queue.as_deref().unwrap_or(&kind.queue);
        let wait = core.wait_of(&job.kind, queue, now).await?;
        Some(due.max(now + wait) + usual)
    }
}

impl Core {
    /// How long a job of a kind that comes last waits for a slot, here or with a remote worker.
    async fn wait_of(&self, kind: &str, queue: &str, now: Timestamp) -> Option<Duration> {
        let own = self.registry.get(kind).and_then(|_| self.slots.get(queue));
        let own = own.copied().unwrap_or(0);
        let slots = own.saturating_add(self.roster.slots(kind, queue, now));
        if slots == 0 || self.is_paused(queue) {
            return None;
        }
        let counts = self.recent_counts(now).await?;
        let of_queue = || {
            let here = counts.iter().filter(|((_, other), _)| other == queue);
            let living = here.map(|((kind, _), counts)| (kind, counts.pending + counts.running));
            living.filter(|(_, jobs)| *jobs > 0)
        };
        if of_queue().map(|(_, jobs)| jobs).sum::<u64>() < u64::from(slots) {
            return Some(Duration::ZERO);
        }
        let mut work = Duration::ZERO;
        for (kind, jobs) in of_queue() {
            let mean = self.history.mean(kind)?;
            work = work.checked_add(mean.checked_mul(u32::try_from(jobs).ok()?)?)?;
        }
        Some(work / slots)
    }

    async fn recent_counts(&self, now: Timestamp) -> Option<Arc<CountsBy>> {
        {
            let known = self.history.counts.lock();
            let known = known.unwrap_or_else(PoisonError::into_inner);
            if let Some((read, counts)) = &*known
                && now.since(*read) < FRESH
                && now >= *read
            {
                return Some(Arc::clone(counts));
            }
        }
        let counts = Arc::new(self.store.counts(None).await.ok()?);
        let known = self.history.counts.lock();
        *known.unwrap_or_else(PoisonError::into_inner) = Some((now, Arc::clone(&counts)));
        Some(counts)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn secs(seconds: u64) -> Duration {
        Duration::from_secs(seconds)
    }

    #[test]
    fn a_few_jobs_say_nothing() {
        let history = History::default();
        for n in 1..=4 {
            history.took("k", secs(n));
        }
        assert_eq!(history.usual("k", Duration::ZERO), None);
        history.took("k", secs(5));
        assert_eq!(history.usual("k", Duration::ZERO), Some(secs(4)));
        assert_eq!(history.mean("k"), Some(secs(3)));
        assert_eq!(history.usual("other", Duration::ZERO), None);
    }

    #[test]
    fn what_took_less_than_the_job_so_far_says_nothing_of_it() {
        let history = History::default();
        for n in 1..=10 {
            history.took("k", secs(n));
        }
        assert_eq!(history.usual("k", Duration::ZERO), Some(secs(8)));
        assert_eq!(history.usual("k", secs(6)), Some(secs(9)));
        assert_eq!(history.usual("k", secs(7)), None, "four are left");
        assert_eq!(history.usual("k", secs(60)), None);
    }

    #[test]
    fn the_latest_count_and_memory_is_bounded() {
        let history = History::default();
        for _ in 0..KEPT {
            history.took("k", secs(1));
        }
        for _ in 0..KEPT {
            history.took("k", secs(9));
        }
        assert_eq!(history.mean("k"), Some(secs(9)));
        for n in 0..KINDS * 2 {
            history.took(&format!("kind-{n}"), secs(1));
        }
        assert_eq!(history.kinds.lock().expect("a lock").len(), KINDS);
    }
}
