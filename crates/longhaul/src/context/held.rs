//! A job this process holds: what is known of it, and what its run has yet to write.

use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use longhaul_types::{ItemCounts, Level};
use tokio_util::sync::CancellationToken;

use super::{item::Items, progress::Report};
use crate::{
    model::{Claim, Job},
    secrets::Redactor,
    store::{Claimed, ItemWrite, LogWrite, Write},
};

/// Log lines a run may be ahead of the disk; past that the middle is dropped and said so.
const LOG_BACKLOG: usize = 2048;

/// Why a run must stop.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum Stop {
    /// Somebody cancelled the job.
    #[error("the job was cancelled")]
    Cancel,
    /// The engine shuts down; the job is given back and goes on later.
    #[error("the worker shuts down; the job goes on later")]
    Shutdown,
    /// The attempt took longer than it may.
    #[error("the attempt took longer than it may")]
    AttemptTimeout,
    /// The job took longer than it may.
    #[error("the job took longer than it may")]
    Deadline,
    /// The claim was lost: another worker may hold the job.
    #[error("this run does not hold its job any more")]
    Lost,
}

/// A job this process holds.
pub(crate) struct Held {
    pub(crate) job: Job,
    pub(crate) claim: Claim,
    pub(crate) args: String,
    pub(crate) args_version: u32,
    /// Writes of the run go one after the other.
    pub(crate) gate: Arc<tokio::sync::Mutex<()>>,
    pub(super) items: tokio::sync::OnceCell<Mutex<Items>>,
    state: Mutex<Mutable>,
}

struct Mutable {
    attempts: u32,
    checkpoint: Option<String>,
    report: Report,
    log: Vec<LogWrite>,
    dropped: u64,
    items: Vec<ItemWrite>,
    dirty: bool,
    token: CancellationToken,
    stop: Option<Stop>,
    scratch: bool,
    /// Takes the values of the secrets out that the run was given.
    redactor: Option<Arc<Redactor>>,
}

impl Held {
    pub(crate) fn new(claimed: Claimed) -> Self {
        let job = claimed.job;
        Self {
            claim: Claim {
                job: job.seq,
                number: job.claim,
            },
            args: claimed.args,
            args_version: claimed.args_version,
            gate: Arc::default(),
            items: tokio::sync::OnceCell::new(),
            state: Mutex::new(Mutable {
                attempts: job.attempts,
                checkpoint: claimed.checkpoint,
                report: Report::new(job.progress.clone()),
                log: Vec::new(),
                dropped: 0,
                items: Vec::new(),
                dirty: false,
                token: CancellationToken::new(),
                stop: None,
                scratch: job.claim > 1,
                redactor: None,
            }),
            job,
        }
    }

    fn lock(&self) -> MutexGuard<'_, Mutable> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    pub(crate) fn token(&self) -> CancellationToken {
        self.lock().token.clone()
    }

    /// How the items stand, as far as the run knows.
    pub(crate) fn item_counts(&self) -> ItemCounts {
        self.items.get().map_or(self.job.items, |items| {
            items
                .lock()
                .unwrap_or_else(PoisonError::into_inner)
                .counts()
        })
    }

    pub(crate) fn stop(&self) -> Option<Stop> {
        self.lock().stop
    }

    /// Tells the run to stop. A lost claim and a cancel outrank a time limit, and that a shutdown.
    pub(crate) fn tell_to_stop(&self, stop: Stop) {
        let rank = |stop: Stop| match stop {
            Stop::Shutdown => 0,
            Stop::AttemptTimeout => 1,
            Stop::Deadline => 2,
            Stop::Cancel => 3,
            Stop::Lost => 4,
        };
        let mut state = self.lock();
        if state.stop.is_none_or(|now| rank(stop) > rank(now)) {
            state.stop = Some(stop);
        }
        state.token.cancel();
    }

    pub(crate) fn cancel(&self) {
        self.tell_to_stop(Stop::Cancel);
    }

    pub(crate) fn lose(&self) {
        self.tell_to_stop(Stop::Lost);
    }

    /// Attempts spent by failing; a check that worked begins a new budget.
    pub(crate) fn attempts(&self) -> u32 {
        self.lock().attempts
    }

    /// Readies a kept job for its next check: a time limit of the last one says nothing about this one.
    pub(crate) fn renew(&self) {
        let mut state = self.lock();
        state.attempts = 0;
        if state.stop.is_some_and(|stop| stop == Stop::AttemptTimeout) {
            state.stop = None;
            state.token = CancellationToken::new();
        }
    }

    pub(crate) fn checkpoint(&self) -> Option<String> {
        self.lock().checkpoint.clone()
    }

    pub(super) fn set_checkpoint(&self, checkpoint: String) {
        self.lock().checkpoint = Some(checkpoint);
    }

    /// Has the values of secrets taken out of whatever the run writes from now on.
    pub(crate) fn redact_with(&self, redactor: Redactor) {
        self.lock().redactor = Some(Arc::new(redactor));
    }

    /// What takes the values of the run's secrets out, if it was given any.
    pub(crate) fn redactor(&self) -> Option<Arc<Redactor>> {
        self.lock().redactor.clone()
    }

    /// Whether the run may have a scratch folder.
    pub(crate) fn has_scratch(&self) -> bool {
        self.lock().scratch
    }

    pub(super) fn use_scratch(&self) {
        self.lock().scratch = true;
    }

    /// Whether the line makes the job dirty, which it was not.
    pub(super) fn push_log(&self, line: LogWrite) -> bool {
        let mut state = self.lock();
        if state.log.len() >= LOG_BACKLOG {
            // The head says how it began, the tail how it is: what goes is between.
            state.log.remove(LOG_BACKLOG / 2);
            state.dropped += 1;
        }
        state.log.push(line);
        !std::mem::replace(&mut state.dirty, true)
    }

    /// Whether the report changed and makes the job dirty, which it was not.
    pub(super) fn report(&self, change: impl FnOnce(&mut Report)) -> bool {
        let mut state = self.lock();
        change(&mut state.report);
        state.report.is_changed() && !std::mem::replace(&mut state.dirty, true)
    }

    /// Whether the item's change makes the job dirty, which it was not.
    pub(super) fn push_item(&self, item: ItemWrite) -> bool {
        let mut state = self.lock();
        match state.items.iter_mut().find(|known| known.name == item.name) {
            Some(known) => *known = item,
            None => state.items.push(item),
        }
        !std::mem::replace(&mut state.dirty, true)
    }

    /// Moves what waits to be written into `write`, and takes the values of secrets out of all of it. The caller holds the
    /// gate.
    pub(crate) fn take(&self, write: &mut Write) {
        let mut state = self.lock();
        state.dirty = false;
        if let Some(progress) = state.report.take(write.now) {
            write.progress = Some(progress);
        }
        let mut items = std::mem::take(&mut state.items);
        items.retain(|item| !write.items.iter().any(|newer| newer.name == item.name));
        items.append(&mut write.items);
        write.items = items;
        let mut log = std::mem::take(&mut state.log);
        let dropped = std::mem::take(&mut state.dropped);
        let redactor = state.redactor.clone();
        drop(state);
        if dropped > 0 {
            log.insert(
                LOG_BACKLOG / 2,
                LogWrite {
                    time: write.now,
                    level: Level::Warn,
                    text: format!(
                        "{dropped} lines dropped: they came faster than the disk takes them"
                    ),
                },
            );
        }
        log.append(&mut write.log);
        write.log = log;
        if let Some(redactor) = redactor {
            redactor.write(write);
        }
    }

    /// Puts back what [`Self::take`] took and the store did not.
    pub(crate) fn put_back(&self, write: Write) {
        let mut state = self.lock();
        if write.progress.is_some() {
            state.report.changed();
        }
        let newer = std::mem::take(&mut state.items);
        state.items = write.items;
        for item in newer {
            match state.items.iter_mut().find(|known| known.name == item.name) {
                Some(known) => *known = item,
                None => state.items.push(item),
            }
        }
        let mut newer = std::mem::replace(&mut state.log, write.log);
        state.log.append(&mut newer);
        state.dirty = true;
    }
}
