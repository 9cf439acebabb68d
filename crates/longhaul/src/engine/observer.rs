//! The hook by which a program counts, measures and traces what its engine does.

use std::time::Duration;

use longhaul_types::{ItemCounts, State, Timestamp};

use crate::{model::Job, store::End};

/// Hears what an engine does with its jobs, to count, to measure and to trace. The engine's own tasks call it: it must not
/// block. What it does not care about it need not implement.
///
/// Kinds and queues are the registered ones, so that they may be labels; ids and owners are told to [`Self::ran`] alone.
pub trait Observer: Send + Sync + 'static {
    /// A run starts, this long after its job was due. A monitor's check is a run.
    fn started(&self, _kind: &str, _queue: &str, _waited: Duration) {}

    /// A run stopped after this time, whatever became of its job. A monitor's check is a run.
    fn stopped(&self, _kind: &str, _took: Duration) {}

    /// A run stopped, and this is what is to become of its job. For traces: it tells who, so it is nothing to label with.
    fn ran(&self, _run: &Ran<'_>) {}

    /// A job ended by what this engine did, with these items.
    fn ended(&self, _kind: &str, _state: State, _items: ItemCounts) {}

    /// A run failed and its job is to be tried again.
    fn retried(&self, _kind: &str) {}

    /// A job was taken over from a dead worker.
    fn rescued(&self, _kind: &str) {}

    /// A handler measured something of its own, by [`Context::observe`](crate::Context::observe).
    fn observed(&self, _kind: &str, _name: &'static str, _value: f64) {}
}

/// A run that has stopped.
#[derive(Clone, Copy, Debug)]
#[non_exhaustive]
pub struct Ran<'r> {
    /// The job as it was claimed, with its labels.
    pub job: &'r Job,
    /// Which attempt it was, from 1; checks of a monitor that worked are no attempts spent.
    pub attempt: u32,
    /// When it began.
    pub began: Timestamp,
    /// When it stopped.
    pub stopped: Timestamp,
    /// What the run says of its end; none when it lost its job to another worker. A cancel that was asked for meanwhile
    /// wins over it.
    pub end: Option<&'r End>,
}
