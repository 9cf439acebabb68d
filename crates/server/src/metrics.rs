//! What a server counts and measures, for Prometheus.
//!
//! Invariant: labels are bounded. Kinds, queues and routes are declared names, a queue that nobody declared is `other`;
//! no id and no owner is a label. Numbers of jobs are the store's kept counts, read when somebody asks.

use std::{
    collections::BTreeSet,
    fmt,
    sync::{Arc, Mutex, PoisonError},
    time::Duration,
};

use longhaul::{
    clock::{SharedClock, SystemClock},
    engine::Observer,
};
use longhaul_types::{ItemCounts, State};
use prometheus_client::{
    encoding::text::encode,
    metrics::{counter::Counter, family::Family, gauge::Gauge, histogram::Histogram, info::Info},
    registry::Registry,
};

use crate::statistics::Recorder;

/// Media type of the answer.
pub(crate) const MEDIA_TYPE: &str = "application/openmetrics-text; version=1.0.0; charset=utf-8";
/// The label of what was not declared.
pub(crate) const OTHER: &str = "other";

/// Names of handlers' own measurements, over all kinds; more are left out.
const MOST_OBSERVED: usize = 64;
/// Seconds that jobs wait for a slot: from a millisecond to a day.
const START_SECONDS: [f64; 15] = [
    0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.5, 1.0, 5.0, 30.0, 60.0, 300.0, 3600.0,
    86_400.0,
];
/// Seconds that runs take: from a millisecond to a day.
const RUN_SECONDS: [f64; 14] = [
    0.001, 0.01, 0.1, 0.5, 1.0, 5.0, 10.0, 30.0, 60.0, 300.0, 900.0, 3600.0, 21_600.0, 86_400.0,
];
/// Seconds that answers take.
const HTTP_SECONDS: [f64; 10] = [0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.5, 1.0, 10.0];
/// Items of a job.
const ITEMS: [f64; 10] = [
    0.0, 1.0, 2.0, 5.0, 10.0, 25.0, 50.0, 100.0, 1000.0, 10_000.0,
];
/// Handlers' own measurements: fine towards 100, where scores lie.
const OBSERVED: [f64; 16] = [
    0.1, 0.5, 1.0, 5.0, 10.0, 25.0, 50.0, 60.0, 70.0, 80.0, 85.0, 90.0, 95.0, 100.0, 1000.0,
    10_000.0,
];

type Labels = Vec<(&'static str, String)>;
type Histograms = Family<Labels, Histogram, fn() -> Histogram>;

/// What a server counts and measures. Cheap to clone; an engine that is to be measured gets a clone as its
/// [observer](longhaul::engine::Builder::observer), the server another by [`Options::metrics`](crate::Options::metrics).
#[derive(Clone)]
pub struct Metrics(Arc<Inner>);

struct Inner {
    registry: Registry,
    start_seconds: Histograms,
    run_seconds: Histograms,
    ended: Family<Labels, Counter>,
    retries: Family<Labels, Counter>,
    rescues: Family<Labels, Counter>,
    items: Histograms,
    observed: Histograms,
    names: Mutex<BTreeSet<(String, &'static str)>>,
    streams: Gauge,
    http_seconds: Histograms,
    /// The same for charts, where late numbers are enough.
    recorder: Recorder,
}

impl fmt::Debug for Metrics {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Metrics")
    }
}

impl Default for Metrics {
    fn default() -> Self {
        Self::with_clock(Arc::new(SystemClock))
    }
}

impl Metrics {
    /// Counts under this clock.
    #[must_use]
    pub fn with_clock(clock: SharedClock) -> Self {
        let mut registry = Registry::with_prefix("longhaul");
        let inner = Inner {
            start_seconds: Family::new_with_constructor(|| Histogram::new(START_SECONDS)),
            run_seconds: Family::new_with_constructor(|| Histogram::new(RUN_SECONDS)),
            ended: Family::default(),
            retries: Family::default(),
            rescues: Family::default(),
            items: Family::new_with_constructor(|| Histogram::new(ITEMS)),
            observed: Family::new_with_constructor(|| Histogram::new(OBSERVED)),
            names: Mutex::default(),
            streams: Gauge::default(),
            http_seconds: Family::new_with_constructor(|| Histogram::new(HTTP_SECONDS)),
            recorder: Recorder::new(clock),
            registry: Registry::default(),
        };
        let text = "Seconds from when jobs were due until they started, monitors' checks too";
        registry.register("start_seconds", text, inner.start_seconds.clone());
        let text = "Seconds that runs took, monitors' checks too";
        registry.register("run_seconds", text, inner.run_seconds.clone());
        let text = "Jobs that ended";
        registry.register("jobs_ended", text, inner.ended.clone());
        let text = "Failed runs whose jobs are tried again";
        registry.register("retries", text, inner.retries.clone());
        let text = "Jobs taken over from dead workers";
        registry.register("rescues", text, inner.rescues.clone());
        let text = "Items of jobs that ended, by what became of them";
        registry.register("job_items", text, inner.items.clone());
        let text = "What handlers measured themselves";
        registry.register("observed", text, inner.observed.clone());
        let text = "Streams of live events that are open";
        registry.register("open_streams", text, inner.streams.clone());
        let text = "Seconds until a request was answered, streams until they began";
        registry.register("http_request_seconds", text, inner.http_seconds.clone());
        Self(Arc::new(Inner { registry, ..inner }))
    }
}

impl Observer for Metrics {
    fn started(&self, kind: &str, queue: &str, waited: Duration) {
        let labels = vec![("kind", kind.to_owned()), ("queue", queue.to_owned())];
        let histogram = self.0.start_seconds.get_or_create(&labels);
        histogram.observe(waited.as_secs_f64());
    }

    fn stopped(&self, kind: &str, took: Duration) {
        let labels = vec![("kind", kind.to_owned())];
        // What has not happened yet is shown as zero, so that its first time is seen as a rise.
        drop(self.0.retries.get_or_create(&labels));
        drop(self.0.rescues.get_or_create(&labels));
        let histogram = self.0.run_seconds.get_or_create(&labels);
        histogram.observe(took.as_secs_f64());
        self.0.recorder.stopped(kind, took);
    }

    fn ended(&self, kind: &str, state: State, items: ItemCounts) {
        let labels = |name, value: &str| vec![("kind", kind.to_owned()), (name, value.to_owned())];
        self.0
            .ended
            .get_or_create(&labels("state", state.as_str()))
            .inc();
        self.0.recorder.ended(kind, state);
        if items.total == 0 {
            return;
        }
        for (outcome, count) in [("completed", items.completed), ("failed", items.failed)] {
            let histogram = self.0.items.get_or_create(&labels("outcome", outcome));
            histogram.observe(f64::from(count));
        }
    }

    fn retried(&self, kind: &str) {
        let labels = vec![("kind", kind.to_owned())];
        self.0.retries.get_or_create(&labels).inc();
        self.0.recorder.retried(kind);
    }

    fn rescued(&self, kind: &str) {
        let labels = vec![("kind", kind.to_owned())];
        self.0.rescues.get_or_create(&labels).inc();
    }

    fn observed(&self, kind: &str, name: &'static str, value: f64) {
        if self.knows(kind, name) {
            let labels = vec![("kind", kind.to_owned()), ("name", name.to_owned())];
            self.0.observed.get_or_create(&labels).observe(value);
        }
    }
}

/// What is read when somebody asks.
pub(crate) struct Now {
    pub(crate) version: String,
    pub(crate) build: String,
    pub(crate) uptime: Duration,
    /// Jobs by queue and state.
    pub(crate) jobs: Vec<(String, State, u64)>,
    /// Runs at a time by queue.
    pub(crate) slots: Vec<(String, u32)>,
}

impl Metrics {
    /// Whether a name may be measured; the first ones may.
    fn knows(&self, kind: &str, name: &'static str) -> bool {
        let mut names = self.0.names.lock().unwrap_or_else(PoisonError::into_inner);
        let entry = (kind.to_owned(), name);
        if names.contains(&entry) {
            return true;
        }
        if names.len() >= MOST_OBSERVED {
            return false;
        }
        names.insert(entry);
        if names.len() == MOST_OBSERVED {
            tracing::warn!("handlers measure {MOST_OBSERVED} names; more are left out");
        }
        true
    }

    /// What happened of late.
    pub(crate) fn recorder(&self) -> &Recorder {
        &self.0.recorder
    }

    /// A request was answered.
    pub(crate) fn answered(&self, method: &str, route: &str, status: u16, took: Duration) {
        let labels = vec![
            ("method", method.to_owned()),
            ("route", route.to_owned()),
            ("status", format!("{}xx", status / 100)),
        ];
        let histogram = self.0.http_seconds.get_or_create(&labels);
        histogram.observe(took.as_secs_f64());
    }

    /// Counts a stream as open until the answer is dropped.
    pub(crate) fn open_stream(&self) -> OpenStream {
        self.0.streams.inc();
        OpenStream(self.0.streams.clone())
    }

    /// Everything as text.
    pub(crate) fn render(&self, now: Now) -> Result<String, fmt::Error> {
        let mut registry = Registry::with_prefix("longhaul");
        let build = Info::new([("version", now.version), ("build", now.build)]);
        registry.register("build", "Who answers", build);
        let uptime = Gauge::<f64, std::sync::atomic::AtomicU64>::default();
        uptime.set(now.uptime.as_secs_f64());
        registry.register("uptime_seconds", "Seconds since the server started", uptime);
        let jobs = Family::<Labels, Gauge>::default();
        for (queue, state, count) in now.jobs {
            let labels = vec![("queue", queue), ("state", state.as_str().to_owned())];
            let count = i64::try_from(count).unwrap_or(i64::MAX);
            jobs.get_or_create(&labels).inc_by(count);
        }
        registry.register("jobs", "Jobs that are kept", jobs);
        let slots = Family::<Labels, Gauge>::default();
        for (queue, count) in now.slots {
            let labels = vec![("queue", queue)];
            slots.get_or_create(&labels).set(i64::from(count));
        }
        registry.register(
            "slots",
            "Runs at a time that this process has room for",
            slots,
        );
        let mut text = String::new();
        prometheus_client::encoding::text::encode_registry(&mut text, &registry)?;
        encode(&mut text, &self.0.registry)?;
        Ok(text)
    }
}

/// A stream of live events that is open.
pub(crate) struct OpenStream(Gauge);

impl Drop for OpenStream {
    fn drop(&mut self) {
        self.0.dec();
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_of_measurements_are_bounded() {
        let metrics = Metrics::default();
        for kind in 0..MOST_OBSERVED + 10 {
            metrics.observed(&format!("kind-{kind}"), "quality", 92.0);
        }
        metrics.observed("kind-0", "quality", 93.0);
        let text = metrics
            .render(Now {
                version: String::new(),
                build: String::new(),
                uptime: Duration::ZERO,
                jobs: Vec::new(),
                slots: Vec::new(),
            })
            .expect("text");
        let counts = text.matches("longhaul_observed_count{").count();
        assert_eq!(counts, MOST_OBSERVED);
        assert!(
            text.contains("longhaul_observed_count{kind=\"kind-0\",name=\"quality\"} 2"),
            "{text}"
        );
    }
}
