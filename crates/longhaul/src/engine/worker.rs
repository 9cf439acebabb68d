//! The worker: claims what is due for its free slots, starts runs, and keeps monitors between their checks.
//!
//! Invariants: a queue never has more runs than its slots, and a run's slot is counted until the run has stopped; what
//! this loop waits for is bounded, and a wake-up that comes while it is busy is not lost ([`tokio::sync::Notify`] keeps
//! one, the state of the store the rest).

use std::{
    cmp::Reverse,
    collections::{BinaryHeap, HashMap, HashSet, VecDeque},
    sync::Arc,
    time::Duration,
};

use longhaul_types::Timestamp;
use tokio::sync::mpsc;
use tokio_util::task::TaskTracker;

use super::{
    Core,
    ends::{Ending, write_batch},
    run::run,
};
use crate::{
    context::{Held, Stop},
    model::{Claim, Seq, Status, transition::MAX_RESCUES},
    store::{self, ClaimRequest, End, Write},
};

/// The wait after the store failed, or when what is due is not for this worker.
pub(super) const PATIENCE: Duration = Duration::from_secs(1);
/// The longest sleep: a wake-up that was lost all the same costs no more than this.
pub(super) const LONGEST_SLEEP: Duration = Duration::from_mins(1);

/// Rescues in a row, with no step forward between them, from which on a job may be what kills its process. Such suspects
/// run one at a time, so that the one takes none of the others along past the limit of rescues.
pub(super) const SUSPECT: u32 = MAX_RESCUES - 2;
/// How long a suspect is put off while another one runs.
pub(super) const PUT_OFF: Duration = Duration::from_secs(2);

/// What a run tells the worker when it has stopped.
pub(crate) enum Done {
    /// Its slot is free.
    Free(Arc<Held>),
    /// Its slot is free and it wants its next check at this time.
    Park {
        /// The job.
        held: Arc<Held>,
        /// When.
        at: Timestamp,
    },
}

/// The worker's own state.
pub(crate) struct Worker {
    core: Arc<Core>,
    kinds: Vec<String>,
    running: HashMap<String, u32>,
    parked: HashMap<Seq, (Arc<Held>, Timestamp)>,
    next_checks: BinaryHeap<Reverse<(Timestamp, Seq)>>,
    /// Checks that are due and wait for a slot.
    due: VecDeque<Seq>,
    /// The job that runs and may be what kills its process.
    suspect: Option<Seq>,
    /// Whether a claim may have taken jobs that this worker did not hear of.
    in_doubt: bool,
    runs: TaskTracker,
    done: (mpsc::Sender<Done>, mpsc::Receiver<Done>),
    ends: mpsc::Sender<Ending>,
}

impl Worker {
    pub(crate) fn new(core: Arc<Core>, ends: mpsc::Sender<Ending>) -> Self {
        let slots: usize = core.slots.values().map(|slots| *slots as usize).sum();
        Self {
            kinds: core.registry.names(),
            core,
            running: HashMap::new(),
            parked: HashMap::new(),
            next_checks: BinaryHeap::new(),
            due: VecDeque::new(),
            suspect: None,
            in_doubt: false,
            runs: TaskTracker::new(),
            done: mpsc::channel(slots.max(1)),
            ends,
        }
    }

    /// Works until the engine stops, then waits until every run has stopped.
    pub(crate) async fn work(mut self) {
        let mut look = true;
        let mut due_at: Option<Timestamp> = None;
        let mut looked_at = self.core.clock.now();
        loop {
            self.start_due_checks();
            if look {
                looked_at = self.core.clock.now();
                (look, due_at) = self.claim().await;
            }
            let wait = self.sleep(due_at, look);
            tokio::select! {
                biased;
                () = self.core.stopping.cancelled() => break,
                done = self.done.1.recv() => {
                    if let Some(done) = done {
                        self.settle(done);
                    }
                    self.settle_all().await;
                }
                () = self.core.wake.notified() => look = true,
                () = wait => {
                    let now = self.core.clock.now();
                    look |= due_at.is_some_and(|at| at <= now)
                        || now.since(looked_at) >= LONGEST_SLEEP;
                    self.expire(look).await;
                }
            }
        }
        self.stop().await;
    }

    fn free(&self, queue: &str) -> u32 {
        let limit = self.core.slots.get(queue).copied().unwrap_or(0);
        limit.saturating_sub(self.running.get(queue).copied().unwrap_or(0))
    }

    /// Claims for all free slots. Answers whether there may be more, and when something is due next.
    async fn claim(&mut self) -> (bool, Option<Timestamp>) {
        let slots: Vec<(String, u32)> = self
            .core
            .slots
            .keys()
            .map(|queue| (queue.clone(), self.free(queue)))
            .filter(|(_, free)| *free > 0)
            .collect();
        if slots.is_empty() || self.kinds.is_empty() {
            return (!self.kinds.is_empty(), None);
        }
        let now = self.core.clock.now();
        if self.in_doubt {
            if let Err(error) = self.give_back_unheard(now).await {
                tracing::error!(%error, "could not give back what was claimed unheard; trying again");
                return (false, Some(now + PATIENCE));
            }
            self.in_doubt = false;
        }
        let request = ClaimRequest {
            worker: self.core.worker.clone(),
            now,
            slots: slots.clone(),
            kinds: self.kinds.clone(),
        };
        let claimed = match self.core.store.claim(request).await {
            Ok(claimed) => claimed,
            Err(error) => {
                tracing::error!(%error, "could not claim; trying again");
                self.in_doubt = true;
                return (false, Some(now + PATIENCE));
            }
        };
        let mut taken: HashMap<String, u32> = HashMap::new();
        let mut starting = Vec::with_capacity(claimed.len());
        for claimed in claimed {
            *taken.entry(claimed.job.queue.clone()).or_default() += 1;
            self.core.send_state(&claimed.job);
            let due = claimed.due;
            let held = Arc::new(Held::new(claimed));
            self.core.hold(&held);
            if held.job.rescues < SUSPECT {
                starting.push((held, due));
            } else if self.suspect.is_none() {
                self.suspect = Some(held.job.seq);
                starting.push((held, due));
            } else {
                self.put_off(held).await;
            }
        }
        for (held, due) in starting {
            self.start(held, due, false);
        }
        let more = slots
            .iter()
            .any(|(queue, free)| taken.get(queue) == Some(free));
        if more {
            return (true, Some(now));
        }
        match self.core.store.next_due(now).await {
            Ok(Some(at)) if at <= now => (false, Some(now + PATIENCE)),
            Ok(at) => (false, at),
            Err(error) => {
                tracing::error!(%error, "could not ask what is due; trying again");
                (false, Some(now + PATIENCE))
            }
        }
    }

    /// Gives back what a claim took whose answer was lost: nobody runs it, and this worker's lease would keep it.
    async fn give_back_unheard(&self, now: Timestamp) -> Result<(), store::Error> {
        let held = self.core.store.held(&self.core.worker).await?;
        let unheard = held
            .into_iter()
            .filter(|seq| self.core.held(*seq).is_none());
        let mut writes = Vec::new();
        for seq in unheard {
            let Some(detail) = self.core.store.detail(seq).await? else {
                continue;
            };
            // It may have ended meanwhile, and run elsewhere by now.
            if !matches!(&detail.job.status, Status::Running { worker, .. } if *worker == self.core.worker)
            {
                continue;
            }
            let claim = Claim {
                job: seq,
                number: detail.job.claim,
            };
            let mut write = Write::new(claim, now);
            write.end = Some(End::Release { at: now });
            writes.push(write);
        }
        if !writes.is_empty() {
            tracing::warn!(
                jobs = writes.len(),
                "given back: the answer to their claim was lost"
            );
            self.core.store.write(writes).await?;
        }
        Ok(())
    }

    /// Gives a suspect back for a while. That is on disk before another suspect starts.
    async fn put_off(&self, held: Arc<Held>) {
        let now = self.core.clock.now();
        let mut write = Write::new(held.claim, now);
        write.end = Some(End::Release { at: now + PUT_OFF });
        write_batch(&self.core, vec![Ending { held, write }]).await;
    }

    fn start(&mut self, held: Arc<Held>, due: Timestamp, parked: bool) {
        let (core, job) = (&self.core, &held.job);
        core.observe(|observer| {
            observer.started(&job.kind, &job.queue, core.clock.now().since(due));
        });
        *self.running.entry(held.job.queue.clone()).or_default() += 1;
        self.runs.spawn(run(
            Arc::clone(&self.core),
            held,
            parked,
            self.done.0.clone(),
            self.ends.clone(),
        ));
    }

    /// Settles whoever has stopped, and who is about to: short runs that began together are followed by one claim. Runs
    /// that take their time are not waited for.
    async fn settle_all(&mut self) {
        let mut more = true;
        while more {
            more = false;
            tokio::task::yield_now().await;
            while let Ok(done) = self.done.1.try_recv() {
                self.settle(done);
                more = true;
            }
        }
    }

    fn settle(&mut self, done: Done) {
        let held = match &done {
            Done::Free(held) | Done::Park { held, .. } => held,
        };
        if self.suspect == Some(held.job.seq) {
            self.suspect = None;
        }
        if let Some(running) = self.running.get_mut(&held.job.queue) {
            *running = running.saturating_sub(1);
        }
        match done {
            Done::Free(held) => {
                if held.stop() == Some(Stop::Lost) {
                    self.core.forget(&held);
                }
            }
            Done::Park { held, at } => {
                if matches!(held.stop(), Some(Stop::Lost | Stop::Cancel)) {
                    self.core.forget(&held);
                    return;
                }
                held.renew();
                self.next_checks.push(Reverse((at, held.job.seq)));
                self.parked.insert(held.job.seq, (held, at));
            }
        }
    }

    /// Starts the checks whose time has come, as far as slots are free and their queues not paused.
    fn start_due_checks(&mut self) {
        let now = self.core.clock.now();
        while let Some(Reverse((at, seq))) = self.next_checks.peek().copied() {
            if at > now {
                break;
            }
            self.next_checks.pop();
            // An entry whose job was parked anew, or is gone, is of the past.
            if self.parked.get(&seq).is_some_and(|(_, next)| *next == at) {
                self.due.push_back(seq);
            }
        }
        let mut waiting = VecDeque::new();
        let mut full: HashSet<String> = HashSet::new();
        while let Some(seq) = self.due.pop_front() {
            let Some((held, _)) = self.parked.get(&seq) else {
                continue;
            };
            if held.stop().is_some() {
                if let Some((held, _)) = self.parked.remove(&seq) {
                    self.core.forget(&held);
                }
                continue;
            }
            let queue = &held.job.queue;
            if full.contains(queue) || self.free(queue) == 0 || self.core.is_paused(queue) {
                full.insert(queue.clone());
                waiting.push_back(seq);
                if full.len() == self.core.slots.len() {
                    break;
                }
                continue;
            }
            if let Some((held, due)) = self.parked.remove(&seq) {
                self.start(held, due, true);
            }
        }
        waiting.append(&mut self.due);
        self.due = waiting;
    }

    /// The sleep until something is due, as far as this worker knows.
    fn sleep(&self, due: Option<Timestamp>, look: bool) -> crate::clock::Sleep {
        let now = self.core.clock.now();
        let check = self.next_checks.peek().map(|Reverse((at, _))| *at);
        // With no slot free there is nothing to do but wait for a run to stop.
        let due = due.filter(|_| !look);
        let wait = [due, check]
            .into_iter()
            .flatten()
            .min()
            .map_or(LONGEST_SLEEP, |at| at.since(now))
            .min(LONGEST_SLEEP);
        self.core.clock.sleep(wait)
    }

    /// Fails pending jobs whose time is over.
    async fn expire(&self, due: bool) {
        if !due {
            return;
        }
        match self.core.store.expire(self.core.clock.now()).await {
            Ok(jobs) => {
                for job in jobs {
                    self.core.send_state(&job);
                    self.core.ended_without_run(&job);
                }
            }
            Err(error) => tracing::error!(%error, "could not end jobs whose time is over"),
        }
    }

    /// Asks every run to stop and waits until all have.
    async fn stop(mut self) {
        for held in self.core.all_held() {
            held.tell_to_stop(Stop::Shutdown);
        }
        self.runs.close();
        loop {
            tokio::select! {
                () = self.runs.wait() => break,
                // Runs that stop must find room for their word.
                _ = self.done.1.recv() => {}
            }
        }
    }
}
