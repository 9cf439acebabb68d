//! The hook by which a program counts and measures what its engine does.

use std::time::Duration;

use longhaul_types::{ItemCounts, State};

/// Hears what an engine does with its jobs, to count and to measure. The engine's own tasks call it: it must not block.
///
/// Kinds are the registered ones, so that they may be labels; ids and owners are not told.
pub trait Observer: Send + Sync + 'static {
    /// A run stopped after this time, whatever became of its job. A monitor's check is a run.
    fn stopped(&self, kind: &str, took: Duration);

    /// A job ended by what this engine did, with these items.
    fn ended(&self, kind: &str, state: State, items: ItemCounts);

    /// A run failed and its job is to be tried again.
    fn retried(&self, kind: &str);

    /// A job was taken over from a dead worker.
    fn rescued(&self, kind: &str);

    /// A handler measured something of its own, by [`Context::observe`](crate::Context::observe).
    fn observed(&self, kind: &str, name: &'static str, value: f64);
}
