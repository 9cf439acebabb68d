//! The remote workers of this process and the runs they hold, in memory.
//!
//! Invariant: a lease ends here at the moment at which it ends in the store.

use std::{
    collections::HashMap,
    sync::{
        Arc, Mutex, MutexGuard, PoisonError,
        atomic::{AtomicUsize, Ordering},
    },
    time::Duration,
};

use longhaul_types::{
    Timestamp,
    worker::{StopReason, WorkerKind},
};
use serde::{Deserialize, Serialize};
use tokio::sync::Notify;

use super::super::{Core, Error, worker::SUSPECT};
use crate::{
    context::{Held, Stop},
    handler::Policy,
    model::{Backoff, Claim, Seq, WorkerId},
};

/// A lease is renewed by any call once this part of it is over; by a heartbeat always.
const RENEW_AFTER: u32 = 6;

/// What a worker says of itself, as the store keeps it.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub(super) struct About {
    pub(super) name: String,
    pub(super) remote: bool,
    /// Who joined it, as whoever speaks for the engine names them.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(super) by: Option<String>,
    pub(super) kinds: Vec<WorkerKind>,
    pub(super) queues: std::collections::BTreeMap<String, u32>,
}

/// The remote workers.
#[derive(Debug, Default)]
pub(crate) struct Roster {
    workers: Mutex<HashMap<WorkerId, Arc<Worker>>>,
    /// A worker has come.
    pub(super) joined: Notify,
}

impl Roster {
    fn lock(&self) -> MutexGuard<'_, HashMap<WorkerId, Arc<Worker>>> {
        self.workers.lock().unwrap_or_else(PoisonError::into_inner)
    }

    pub(super) fn add(&self, worker: Arc<Worker>) {
        self.lock().insert(worker.id.clone(), worker);
        self.joined.notify_one();
    }

    pub(super) fn all(&self) -> Vec<Arc<Worker>> {
        self.lock().values().cloned().collect()
    }

    pub(super) fn count(&self) -> usize {
        self.lock().len()
    }

    /// How many jobs of this kind the living workers run at a time, of this queue.
    pub(crate) fn slots(&self, kind: &str, queue: &str, now: Timestamp) -> u32 {
        let workers = self.lock();
        let able = workers.values().filter(|worker| {
            let mut kinds = worker.about.kinds.iter();
            worker.lives(now) && kinds.any(|known| known.name == kind)
        });
        let slots = able.filter_map(|worker| worker.about.queues.get(queue));
        slots.fold(0, |sum, slots| sum.saturating_add(*slots))
    }

    /// The worker, if its lease goes on.
    pub(super) fn living(&self, id: &WorkerId, now: Timestamp) -> Result<Arc<Worker>, Error> {
        let worker = self.lock().get(id).cloned();
        worker
            .filter(|worker| worker.lives(now))
            .ok_or_else(|| Error::UnknownWorker(super::short(id.as_str())))
    }

    /// Forgets a worker; its runs have lost their claims.
    pub(super) fn remove(&self, id: &WorkerId) {
        let Some(worker) = self.lock().remove(id) else {
            return;
        };
        for run in worker.runs() {
            worker.forget(&run);
        }
    }

    /// The job as one of these workers holds it.
    pub(crate) fn held(&self, job: Seq) -> Option<Arc<Held>> {
        let workers = self.lock();
        let mut runs = workers.values().flat_map(|worker| worker.runs());
        let found = runs.find(|run| run.held.job.seq == job)?;
        Some(Arc::clone(&found.held))
    }
}

/// A remote worker.
#[derive(Debug)]
pub(super) struct Worker {
    pub(super) id: WorkerId,
    pub(super) about: About,
    pub(super) lease: Duration,
    /// One claim at a time: each sees the slots that the one before has taken.
    pub(super) claiming: tokio::sync::Mutex<()>,
    /// The worker was given jobs.
    pub(super) given: Notify,
    /// Which queue is next to be asked first, so that none is starved by the others.
    turn: AtomicUsize,
    state: Mutex<State>,
}

#[derive(Debug)]
struct State {
    lease_end: Timestamp,
    runs: HashMap<Claim, Arc<Run>>,
}

impl Worker {
    pub(super) fn new(id: WorkerId, about: About, lease: Duration, lease_end: Timestamp) -> Self {
        Self {
            id,
            about,
            lease,
            claiming: tokio::sync::Mutex::new(()),
            given: Notify::new(),
            turn: AtomicUsize::new(0),
            state: Mutex::new(State {
                lease_end,
                runs: HashMap::new(),
            }),
        }
    }

    fn lock(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    pub(super) fn lives(&self, now: Timestamp) -> bool {
        self.lock().lease_end > now
    }

    /// Renews the lease, and hears of cancels that came past this process.
    pub(super) async fn renew(&self, core: &Core) -> Result<(), Error> {
        let now = core.clock.now();
        let heartbeat = core.store.heartbeat(&self.id, now).await?;
        if !heartbeat.held {
            core.roster.remove(&self.id);
            return Err(Error::UnknownWorker(super::short(self.id.as_str())));
        }
        {
            let mut state = self.lock();
            state.lease_end = state.lease_end.max(now + self.lease);
        }
        for job in heartbeat.cancelled {
            if let Some(held) = core.roster.held(job) {
                held.cancel();
            }
        }
        Ok(())
    }

    /// Renews the lease once some of it is over.
    pub(super) async fn renew_if_due(&self, core: &Core) -> Result<(), Error> {
        let left = self.lock().lease_end.since(core.clock.now());
        if left > self.lease.saturating_sub(self.lease / RENEW_AFTER) {
            return Ok(());
        }
        self.renew(core).await
    }

    pub(super) fn run(&self, claim: Claim) -> Option<Arc<Run>> {
        self.lock().runs.get(&claim).cloned()
    }

    pub(super) fn runs(&self) -> Vec<Arc<Run>> {
        self.lock().runs.values().cloned().collect()
    }

    /// Whether the worker holds this very run.
    pub(super) fn has(&self, run: &Arc<Run>) -> bool {
        let state = self.lock();
        let found = state.runs.get(&run.held.claim);
        found.is_some_and(|found| Arc::ptr_eq(found, run))
    }

    /// Takes note of a run. Of several that were read at once, one stays.
    pub(super) fn hold(&self, run: Run) -> Arc<Run> {
        let mut state = self.lock();
        let entry = state.runs.entry(run.held.claim);
        Arc::clone(entry.or_insert_with(|| Arc::new(run)))
    }

    /// Forgets a run, which is told: the worker does not hold it any more, or it is to be read again.
    pub(super) fn forget(&self, run: &Arc<Run>) {
        let mut state = self.lock();
        if state
            .runs
            .get(&run.held.claim)
            .is_some_and(|found| Arc::ptr_eq(found, run))
        {
            state.runs.remove(&run.held.claim);
        }
        drop(state);
        run.held.lose();
    }

    /// The queues in the order in which they are to be asked now, each with its free slots.
    pub(super) fn free(&self) -> Vec<(String, u32)> {
        let runs = self.runs();
        let free = self.about.queues.iter().map(|(queue, slots)| {
            let taken = runs.iter().filter(|run| run.held.job.queue == *queue);
            let taken = u32::try_from(taken.count()).unwrap_or(u32::MAX);
            (queue.clone(), slots.saturating_sub(taken))
        });
        let mut free: Vec<_> = free.collect();
        if !free.is_empty() {
            let turn = self.turn.fetch_add(1, Ordering::Relaxed) % free.len();
            free.rotate_left(turn);
        }
        free
    }

    /// Whether one of its runs may be what kills its process.
    pub(super) fn has_suspect(&self) -> bool {
        self.runs()
            .iter()
            .any(|run| run.held.job.rescues >= SUSPECT)
    }

    /// Waits between attempts, and the time to stop: what this process says of a kind that it runs itself goes before
    /// what the worker says.
    pub(super) fn policy(&self, core: &Core, kind: &str) -> (Backoff, Duration) {
        if let Some(registered) = core.registry.get(kind) {
            return (registered.policy.backoff, registered.policy.grace);
        }
        let policy = Policy::default();
        let declared = self.about.kinds.iter().find(|known| known.name == kind);
        let backoff = declared.and_then(|kind| kind.backoff);
        let grace = declared.and_then(|kind| kind.grace);
        (
            // Looked at when the worker joined.
            backoff.map_or(policy.backoff, |backoff| Backoff {
                first: Duration::from_secs_f64(backoff.first),
                cap: Duration::from_secs_f64(backoff.cap),
            }),
            grace.map_or(policy.grace, Duration::from_secs_f64),
        )
    }
}

/// A run that a remote worker holds.
pub(super) struct Run {
    pub(super) held: Arc<Held>,
    /// When the claim was made.
    pub(super) since: Timestamp,
    times: Mutex<Times>,
}

struct Times {
    /// When the worker last named it.
    named_at: Timestamp,
    /// When the worker was told that it must stop.
    told_at: Option<Timestamp>,
}

impl std::fmt::Debug for Run {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Run")
            .field("claim", &self.held.claim)
            .finish_non_exhaustive()
    }
}

impl Run {
    pub(super) fn new(held: Held, since: Timestamp, now: Timestamp) -> Self {
        Self {
            held: Arc::new(held),
            since,
            times: Mutex::new(Times {
                named_at: now,
                told_at: None,
            }),
        }
    }

    fn times(&self) -> MutexGuard<'_, Times> {
        self.times.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// The worker knows of it.
    pub(super) fn named(&self, now: Timestamp) {
        self.times().named_at = now;
    }

    pub(super) fn named_at(&self) -> Timestamp {
        self.times().named_at
    }

    /// When the worker was told that it must stop.
    pub(super) fn told_at(&self) -> Option<Timestamp> {
        self.times().told_at
    }

    /// Whether it must stop and the worker does not know yet.
    pub(super) fn has_news(&self) -> bool {
        self.held.stop().is_some() && self.told_at().is_none()
    }

    /// Why it must stop, for an answer: from now on the worker knows.
    pub(super) fn tell_to_stop(&self, now: Timestamp) -> Option<StopReason> {
        let reason = match self.held.stop()? {
            Stop::Cancel => StopReason::Cancel,
            Stop::AttemptTimeout => StopReason::AttemptTimeout,
            Stop::Deadline => StopReason::Deadline,
            Stop::Shutdown | Stop::Lost => return None,
        };
        self.times().told_at.get_or_insert(now);
        Some(reason)
    }
}
