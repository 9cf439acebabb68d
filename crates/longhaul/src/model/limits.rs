//! Limits on everything that a caller or a handler hands in. A value past a limit is a clear error.

/// Limits of an engine; the defaults suit one machine.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Limits {
    /// Bytes of a job's args as JSON.
    pub args: usize,
    /// Bytes of a job's or an item's result as JSON.
    pub result: usize,
    /// Bytes of a checkpoint as JSON.
    pub checkpoint: usize,
    /// Bytes of a progress report's metadata as JSON.
    pub metadata: usize,
    /// Bytes of one log line; a longer one is cut.
    pub log_line: usize,
    /// Lines of a job's log: the first tenth and the newest are kept.
    pub log_lines: u64,
    /// Items of a job.
    pub items: u32,
    /// Labels of a job.
    pub labels: usize,
    /// Follow-ups of a job, with those of its follow-ups.
    pub follow_ups: usize,
    /// Bytes of a kind, a queue, an owner, a unique key, an item name, a label's name or value.
    pub name: usize,
    /// Pending jobs of a queue.
    pub queue_depth: u64,
    /// Schedules in all.
    pub schedules: u64,
    /// Jobs of one submission, and rows of one page.
    pub batch: usize,
    /// Bytes of one artifact.
    pub artifact: u64,
    /// Bytes of all artifacts of one owner's jobs together. The owner without a name, whoever embeds the engine, has no
    /// such limit.
    pub owner_disk: u64,
}

impl Default for Limits {
    fn default() -> Self {
        Self {
            args: 1 << 20,
            result: 1 << 20,
            checkpoint: 4 << 20,
            metadata: 16 << 10,
            log_line: 8 << 10,
            log_lines: 10_000,
            items: 100_000,
            labels: 32,
            follow_ups: 32,
            name: 256,
            queue_depth: 20_000_000,
            schedules: 100_000,
            batch: 10_000,
            artifact: 64 << 30,
            owner_disk: 100_000_000_000,
        }
    }
}
