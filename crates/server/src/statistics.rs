//! What happened of late, for charts: ends, run times and depths of queues, by the minute and by the quarter of an hour.
//!
//! Invariant: memory is bounded, whatever happens: so many steps, of so many kinds and queues, and never more. A step is
//! emptied when its place in the ring is used again.

use std::{
    collections::{BTreeMap, BTreeSet},
    sync::{Arc, Mutex, MutexGuard, PoisonError},
    time::Duration,
};

use longhaul::{clock::SharedClock, store::CountsBy};
use longhaul_types::{
    State, Timestamp,
    statistics::{KindStep, QueueStep, Span, Statistics, Step},
};

use crate::{metrics::OTHER, routes::App};

/// Kinds that are told apart, and queues.
const MOST_NAMES: usize = 64;
/// Seconds that runs take: from ten milliseconds to a day.
const BOUNDS: [f64; 13] = [
    0.01, 0.1, 0.5, 1.0, 5.0, 10.0, 30.0, 60.0, 300.0, 900.0, 3600.0, 21_600.0, 86_400.0,
];
/// Between two looks at the depths of queues.
const LOOK: Duration = Duration::from_secs(10);

/// What happened of late.
#[derive(Debug)]
pub(crate) struct Recorder {
    clock: SharedClock,
    kept: Mutex<Kept>,
}

#[derive(Debug)]
struct Kept {
    rings: [Ring; 2],
    kinds: BTreeSet<String>,
    queues: BTreeSet<String>,
}

/// The steps of a span. A step's number is its time in steps since 1970, and its place that number modulo the places.
#[derive(Debug)]
struct Ring {
    span: Span,
    steps: Vec<Step>,
}

impl Recorder {
    pub(crate) fn new(clock: SharedClock) -> Self {
        let kept = Kept {
            rings: Span::ALL.map(Ring::new),
            kinds: BTreeSet::new(),
            queues: BTreeSet::new(),
        };
        Self {
            clock,
            kept: Mutex::new(kept),
        }
    }

    /// A job of a kind ended.
    pub(crate) fn ended(&self, kind: &str, state: State) {
        self.change(kind, |step| match state {
            State::Completed => step.completed += 1,
            State::Failed => step.failed += 1,
            State::Cancelled => step.cancelled += 1,
            // No end.
            State::Pending | State::Running => {}
        });
    }

    /// A run of a kind stopped.
    pub(crate) fn stopped(&self, kind: &str, took: Duration) {
        let seconds = took.as_secs_f64();
        let place = BOUNDS.partition_point(|bound| *bound < seconds);
        self.change(kind, |step| {
            step.took.resize(BOUNDS.len() + 1, 0);
            step.took[place] += 1;
        });
    }

    /// A job of a kind is tried again.
    pub(crate) fn retried(&self, kind: &str) {
        self.change(kind, |step| step.retried += 1);
    }

    /// The last steps of a span, of a server that started at `since`.
    pub(crate) fn read(&self, span: Span, since: Timestamp) -> Statistics {
        let now = self.clock.now();
        let kept = self.lock();
        let ring = kept.rings.iter().find(|ring| ring.span == span);
        Statistics {
            span,
            since,
            step_seconds: span.step_seconds(),
            bounds: BOUNDS.to_vec(),
            steps: ring.map(|ring| ring.read(now)).unwrap_or_default(),
        }
    }

    /// Queues are so deep now.
    fn look(&self, counts: &CountsBy) {
        let now = self.clock.now();
        let mut kept = self.lock();
        let Kept { rings, queues, .. } = &mut *kept;
        let mut depths: BTreeMap<&str, QueueStep> = BTreeMap::new();
        for ((_, queue), counts) in counts {
            if counts.pending + counts.running > 0 {
                let depth = depths.entry(known(queues, queue)).or_default();
                depth.pending += counts.pending;
                depth.running += counts.running;
            }
        }
        for ring in rings {
            let step = ring.step(now);
            for (queue, depth) in &depths {
                let most = step.queues.entry((*queue).to_owned()).or_default();
                most.pending = most.pending.max(depth.pending);
                most.running = most.running.max(depth.running);
            }
        }
    }

    fn change(&self, kind: &str, act: impl Fn(&mut KindStep)) {
        let now = self.clock.now();
        let mut kept = self.lock();
        let Kept { rings, kinds, .. } = &mut *kept;
        let kind = known(kinds, kind);
        for ring in rings {
            let kinds = &mut ring.step(now).kinds;
            match kinds.get_mut(kind) {
                Some(step) => act(step),
                None => act(kinds.entry(kind.to_owned()).or_default()),
            }
        }
    }

    fn lock(&self) -> MutexGuard<'_, Kept> {
        self.kept.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// Looks at the depths of queues until the server stops.
pub(crate) async fn watch(app: Arc<App>) {
    loop {
        match app.engine.counts_by(None).await {
            Ok(counts) => app.metrics.recorder().look(&counts),
            Err(error) => tracing::warn!(%error, "could not see how deep the queues are"),
        }
        tokio::select! {
            () = app.clock.sleep(LOOK) => {}
            () = app.stopping.cancelled() => return,
        }
    }
}

/// The name under which something is counted: its own, if it is among the first.
fn known<'n>(names: &mut BTreeSet<String>, name: &'n str) -> &'n str {
    if names.contains(name) {
        return name;
    }
    if names.len() >= MOST_NAMES {
        return OTHER;
    }
    names.insert(name.to_owned());
    name
}

impl Ring {
    fn new(span: Span) -> Self {
        Self {
            span,
            steps: vec![Step::default(); span.steps()],
        }
    }

    /// The step of a time, emptied if it still held an earlier one.
    fn step(&mut self, now: Timestamp) -> &mut Step {
        let (from, place) = (self.begin(now), self.place(now));
        let step = &mut self.steps[place];
        if step.from != from {
            *step = Step {
                from,
                ..Step::default()
            };
        }
        step
    }

    /// Every step up to that of a time, empty where nothing happened.
    fn read(&self, now: Timestamp) -> Vec<Step> {
        let length = Duration::from_secs(self.span.step_seconds().into());
        let back = u32::try_from(self.span.steps()).unwrap_or(u32::MAX);
        let times = (0..back).rev().map(|steps| now - length * steps);
        times
            .map(|time| {
                let (from, kept) = (self.begin(time), &self.steps[self.place(time)]);
                if kept.from == from {
                    return kept.clone();
                }
                Step {
                    from,
                    ..Step::default()
                }
            })
            .collect()
    }

    fn length(&self) -> i64 {
        i64::from(self.span.step_seconds()) * 1000
    }

    fn begin(&self, time: Timestamp) -> Timestamp {
        Timestamp(time.0.div_euclid(self.length()) * self.length())
    }

    fn place(&self, time: Timestamp) -> usize {
        let places = i64::try_from(self.steps.len()).unwrap_or(i64::MAX);
        let place = time.0.div_euclid(self.length()).rem_euclid(places);
        usize::try_from(place).unwrap_or_default()
    }
}

#[cfg(test)]
mod tests {
    use longhaul::testing::TestClock;
    use longhaul_types::body::Counts;

    use super::*;

    fn recorder() -> (TestClock, Recorder) {
        let clock = TestClock::default();
        (clock.clone(), Recorder::new(Arc::new(clock)))
    }

    fn completed(recorder: &Recorder, span: Span) -> Vec<u64> {
        let read = recorder.read(span, Timestamp::default());
        let count = |step: &Step| step.kinds.values().map(|kind| kind.completed).sum();
        read.steps.iter().map(count).collect()
    }

    #[test]
    fn what_happened_is_in_the_step_of_its_time_and_leaves_with_the_span() {
        let (clock, recorder) = recorder();
        recorder.ended("a.b", State::Completed);
        clock.advance(Duration::from_mins(1));
        recorder.ended("a.b", State::Completed);
        recorder.ended("c.d", State::Completed);
        recorder.ended("c.d", State::Failed);
        let hour = completed(&recorder, Span::Hour);
        assert_eq!((hour.len(), &hour[57..]), (60, &[0, 1, 2][..]));
        clock.advance(Duration::from_mins(58));
        assert_eq!(completed(&recorder, Span::Hour)[..2], [1, 2]);
        clock.advance(Duration::from_mins(1));
        assert_eq!(completed(&recorder, Span::Hour)[..2], [2, 0]);
        // The day still has them, and the hour's places are used again.
        recorder.ended("a.b", State::Completed);
        assert_eq!(completed(&recorder, Span::Hour).iter().sum::<u64>(), 3);
        assert_eq!(completed(&recorder, Span::Day).iter().sum::<u64>(), 4);
        clock.advance(Duration::from_hours(24));
        assert_eq!(completed(&recorder, Span::Day), [0; 96]);
    }

    #[test]
    fn runs_are_counted_under_the_first_bound_that_they_keep() {
        let (_, recorder) = recorder();
        for millis in [5, 10, 11, 90_000_000] {
            recorder.stopped("a.b", Duration::from_millis(millis));
        }
        let read = recorder.read(Span::Hour, Timestamp::default());
        let took = &read.steps.last().expect("steps").kinds["a.b"].took;
        assert_eq!(took.len(), read.bounds.len() + 1);
        assert_eq!((took[0], took[1], took.last()), (2, 1, Some(&1)));
    }

    #[test]
    fn kinds_and_queues_are_bounded() {
        let (_, recorder) = recorder();
        let mut counts = CountsBy::new();
        for number in 0..MOST_NAMES + 10 {
            recorder.ended(&format!("kind-{number}"), State::Completed);
            let waits = Counts {
                pending: 1,
                ..Counts::default()
            };
            counts.insert(("kind".to_owned(), format!("queue-{number:03}")), waits);
        }
        recorder.look(&counts);
        let read = recorder.read(Span::Day, Timestamp::default());
        let step = read.steps.last().expect("steps");
        assert_eq!(step.kinds.len(), MOST_NAMES + 1);
        assert_eq!(step.kinds[OTHER].completed, 10);
        assert_eq!(step.queues[OTHER].pending, 10);
    }

    #[test]
    fn a_queue_is_as_deep_as_it_was_at_its_deepest() {
        let (clock, recorder) = recorder();
        let look = |pending, running| {
            let counts = Counts {
                pending,
                running,
                ..Counts::default()
            };
            let by = [
                ("a.b".to_owned(), "q".to_owned()),
                ("c.d".to_owned(), "q".to_owned()),
            ];
            recorder.look(&by.map(|key| (key, counts)).into());
        };
        look(3, 1);
        look(1, 2);
        let step = || {
            recorder
                .read(Span::Hour, Timestamp::default())
                .steps
                .pop()
                .expect("steps")
        };
        let deepest = QueueStep {
            pending: 6,
            running: 4,
        };
        assert_eq!(step().queues["q"], deepest);
        clock.advance(Duration::from_mins(1));
        assert!(step().queues.is_empty());
    }
}
