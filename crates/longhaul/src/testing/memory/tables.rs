//! What the store holds, and the one way to change a row.

use std::{
    cmp::Reverse,
    collections::{BTreeMap, BTreeSet},
    time::Duration,
};

use longhaul_types::{ItemState, JobError, JobId, LogLine, Reason, State, Timestamp};

use crate::{
    model::{Attempt, AttemptEnd, Illegal, Job, Limits, Scheduled, Seq, Status, Token, WorkerId},
    store::{Error, ItemWrite, Kind, LogWrite, StoredArtifact, StoredFollowUp},
};

/// Time from an end to the sweeper's first visit when nobody has declared the kind.
const SWEEP_AFTER: Duration = Duration::from_hours(7 * 24);

/// All a store holds.
#[derive(Debug)]
pub(super) struct Tables {
    pub(super) kinds: BTreeMap<String, Kind>,
    /// Those that joined, did not leave, and were not seen past the end of their lease.
    pub(super) workers: BTreeMap<WorkerId, Life>,
    pub(super) last_life: u64,
    pub(super) rows: BTreeMap<Seq, Row>,
    pub(super) ids: BTreeMap<(String, JobId), Seq>,
    /// Pending jobs by queue, in the order in which they are claimed.
    pub(super) pending: BTreeMap<String, BTreeSet<(Reverse<i16>, Seq)>>,
    /// Queues of which nothing is claimed, with since when.
    pub(super) paused: BTreeMap<String, Timestamp>,
    /// In the order in which they were added.
    pub(super) tokens: Vec<Token>,
    /// By name and owner.
    pub(super) schedules: BTreeMap<(String, String), Scheduled>,
    pub(super) last_seq: Seq,
    pub(super) queue_depth: u64,
    pub(super) owner_disk: u64,
    log_lines: u64,
}

/// One life of a worker: under its old name, whoever joins after its end is another.
#[derive(Clone, Debug)]
pub(super) struct Life {
    pub(super) number: u64,
    pub(super) lease: Option<Lease>,
    pub(super) about: Option<String>,
    pub(super) joined_at: Timestamp,
}

/// How long a worker holds its jobs without a heartbeat.
#[derive(Clone, Copy, Debug)]
pub(super) struct Lease {
    pub(super) length: Duration,
    pub(super) ends: Timestamp,
}

/// A job with all that belongs to it.
#[derive(Clone, Debug)]
pub(super) struct Row {
    pub(super) job: Job,
    pub(super) args_version: u32,
    pub(super) args: String,
    pub(super) result: Option<String>,
    pub(super) checkpoint: Option<String>,
    pub(super) idempotency_key: Option<String>,
    pub(super) follow_ups: Vec<StoredFollowUp>,
    /// When the latest claim was made, and in which life of its worker.
    pub(super) claimed_at: Timestamp,
    pub(super) life: u64,
    /// The interval of a job that waits for its next check.
    pub(super) check_every: Duration,
    /// When the sweeper is to come; none before the end and when nothing is left to remove.
    pub(super) sweep_at: Option<Timestamp>,
    /// Items by position, with the time of their latest change.
    pub(super) items: Vec<(ItemWrite, Timestamp)>,
    pub(super) positions: BTreeMap<String, usize>,
    pub(super) log: BTreeMap<u64, LogLine>,
    pub(super) next_line: u64,
    pub(super) artifacts: BTreeMap<String, StoredArtifact>,
    pub(super) attempts: Vec<Attempt>,
}

impl Tables {
    pub(super) fn new(limits: &Limits) -> Self {
        Self {
            kinds: BTreeMap::new(),
            workers: BTreeMap::new(),
            last_life: 0,
            rows: BTreeMap::new(),
            ids: BTreeMap::new(),
            pending: BTreeMap::new(),
            paused: BTreeMap::new(),
            tokens: Vec::new(),
            schedules: BTreeMap::new(),
            last_seq: 0,
            queue_depth: limits.queue_depth,
            log_lines: limits.log_lines,
            owner_disk: limits.owner_disk,
        }
    }

    /// Changes one row, raises its revision, and keeps what follows from its state: the index of pending jobs and the
    /// sweeper's visit. None when there is no such job.
    pub(super) fn change<T>(&mut self, seq: Seq, change: impl FnOnce(&mut Row) -> T) -> Option<T> {
        let row = self.rows.get_mut(&seq)?;
        let before = row.job.state();
        let answer = change(row);
        row.job.revision += 1;
        if let Status::Ended { at, .. } = row.job.status
            && !before.is_ended()
        {
            let after = self
                .kinds
                .get(&row.job.kind)
                .map_or(SWEEP_AFTER, |kind| kind.retention.first());
            row.sweep_at = Some(at + after);
        }
        self.index(seq);
        Some(answer)
    }

    /// Puts a new row in.
    pub(super) fn put(&mut self, row: Row) {
        let seq = row.job.seq;
        self.ids
            .insert((row.job.owner.clone(), row.job.id.clone()), seq);
        self.rows.insert(seq, row);
        self.index(seq);
    }

    /// Takes a row out with all that belongs to it.
    pub(super) fn remove(&mut self, seq: Seq) -> Option<Row> {
        let row = self.rows.remove(&seq)?;
        self.ids
            .remove(&(row.job.owner.clone(), row.job.id.clone()));
        if let Some(queue) = self.pending.get_mut(&row.job.queue) {
            queue.remove(&(Reverse(row.job.priority), seq));
        }
        Some(row)
    }

    /// Puts a row back as it was.
    pub(super) fn restore(&mut self, row: Row) {
        let seq = row.job.seq;
        self.rows.insert(seq, row);
        self.index(seq);
    }

    fn index(&mut self, seq: Seq) {
        let Some(row) = self.rows.get(&seq) else {
            return;
        };
        let queue = self.pending.entry(row.job.queue.clone()).or_default();
        let place = (Reverse(row.job.priority), seq);
        if row.job.state() == State::Pending {
            queue.insert(place);
        } else {
            queue.remove(&place);
        }
    }

    /// Adds lines to a job's log and drops those between the first tenth and the newest. Answers with the number of the
    /// first of them.
    pub(super) fn append(&mut self, seq: Seq, lines: Vec<LogWrite>) -> u64 {
        let (head, tail) = (self.log_lines / 10, self.log_lines - self.log_lines / 10);
        let Some(row) = self.rows.get_mut(&seq) else {
            return 0;
        };
        let first = row.next_line;
        for line in lines {
            let number = row.next_line;
            row.next_line += 1;
            row.log.insert(
                number,
                LogLine {
                    number,
                    time: line.time,
                    level: line.level,
                    text: line.text,
                },
            );
        }
        let newest = row.next_line - 1;
        row.log
            .retain(|number, _| *number <= head || *number + tail > newest);
        first
    }
}

impl Row {
    /// The worker that holds the job: it runs it, or keeps it between two checks.
    pub(super) fn worker(&self) -> Option<&WorkerId> {
        match &self.job.status {
            Status::Pending { worker, .. } => worker.as_ref(),
            Status::Running { worker, .. } => Some(worker),
            Status::Ended { .. } => None,
        }
    }

    /// Makes the job wait, from `now` on.
    pub(super) fn wait(
        &mut self,
        reason: Reason,
        run_at: Timestamp,
        worker: Option<WorkerId>,
        now: Timestamp,
    ) {
        self.job.status = Status::Pending {
            reason,
            run_at: Some(run_at),
            worker,
        };
        self.interrupt_items(now);
    }

    /// Ends the job.
    pub(super) fn end(&mut self, state: State, at: Timestamp) {
        self.job.status = Status::Ended { state, at };
        self.interrupt_items(at);
    }

    /// Items that no run works on any more wait again.
    fn interrupt_items(&mut self, now: Timestamp) {
        for (item, changed) in &mut self.items {
            if item.state == ItemState::Running {
                item.state = ItemState::Pending;
                *changed = now;
            }
        }
    }

    /// Notes an attempt that did not complete the job. To be called while its worker holds it.
    pub(super) fn note(&mut self, end: AttemptEnd, error: Option<JobError>, now: Timestamp) {
        if let Some(worker) = self.worker().cloned() {
            self.attempts.push(Attempt {
                claim: self.job.claim,
                worker,
                started_at: self.claimed_at,
                ended_at: now,
                end,
                error,
            });
        }
    }

    /// Changes an item, or adds it at the end. Answers whether this completed it.
    pub(super) fn write_item(&mut self, item: ItemWrite, now: Timestamp) -> bool {
        let completed = item.state == ItemState::Completed;
        let Some(position) = self.positions.get(&item.name) else {
            self.positions.insert(item.name.clone(), self.items.len());
            self.items.push((item, now));
            return completed;
        };
        let before = self.items[*position].0.state;
        self.items[*position] = (item, now);
        completed && before != ItemState::Completed
    }

    /// Counts the items anew.
    pub(super) fn count_items(&mut self) {
        let count = |state| {
            let found = self.items.iter().filter(|(item, _)| item.state == state);
            number(found.count())
        };
        self.job.items.completed = count(ItemState::Completed);
        self.job.items.failed = count(ItemState::Failed);
        self.job.items.total = number(self.items.len());
    }
}

/// A number of items, or a position; the engine's limit on items is far below what fits.
pub(super) fn number(count: usize) -> u32 {
    u32::try_from(count).unwrap_or(u32::MAX)
}

/// A change that was looked up to fit, and so must.
pub(super) fn must(state: Result<State, Illegal>) -> Result<State, Error> {
    state.map_err(|illegal| Error::Internal(illegal.to_string()))
}
