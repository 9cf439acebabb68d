//! What every part of an engine shares, and the one path by which runs write.

use std::{
    collections::{BTreeMap, BTreeSet, HashMap},
    path::PathBuf,
    sync::{Arc, Mutex, PoisonError},
    time::Duration,
};

use longhaul_types::{Event, EventKind, Labels, LogLine, State, Timestamp, event::ItemChange};
use tokio::sync::Notify;
use tokio_util::sync::CancellationToken;

use super::{
    Error, Observer, estimates::History, hub::Hub, registry::Registry, remote::Roster,
    submit::Kinds, wake::Wake,
};
use crate::{
    artifacts::Artifacts,
    clock::SharedClock,
    context::Held,
    model::{FollowUp, Job, Limits, NewJob, Seq, WorkerId},
    secrets::Secrets,
    store::{self, End, Inserted, ItemWrite, Store, Write, Written},
};

/// What every part of an engine shares.
pub(crate) struct Core {
    pub(crate) store: Arc<dyn Store>,
    pub(crate) clock: SharedClock,
    pub(crate) limits: Limits,
    pub(crate) registry: Registry,
    pub(crate) kinds: Kinds,
    pub(crate) hub: Hub,
    pub(crate) artifacts: Artifacts,
    pub(crate) scratch: PathBuf,
    pub(crate) worker: WorkerId,
    /// Runs at a time by queue; empty without a worker.
    pub(crate) slots: BTreeMap<String, u32>,
    /// Queues that are paused, as read last.
    pub(crate) paused: Mutex<BTreeSet<String>>,
    /// Held while that is read anew.
    pub(crate) reading_pauses: tokio::sync::Mutex<()>,
    /// How long jobs took.
    pub(crate) history: History,
    /// Something may be due: the worker looks.
    pub(crate) wake: Wake,
    /// Schedules may have changed: the scheduler looks.
    pub(crate) rescheduled: Notify,
    /// The engine stops: no new runs, and those that run are asked to end.
    pub(crate) stopping: CancellationToken,
    /// Everything is written and told: the helpers of the engine end.
    pub(crate) closed: CancellationToken,
    /// Jobs this process holds: running, or kept between two checks.
    pub(crate) held: Mutex<HashMap<Seq, Arc<Held>>>,
    /// Workers elsewhere, and what they hold.
    pub(crate) roster: Roster,
    /// Held jobs with something to write that can wait a moment.
    pub(crate) dirty: Mutex<Vec<Arc<Held>>>,
    pub(crate) flush: Notify,
    pub(crate) on_end: Vec<EndCallback>,
    pub(crate) follow_rules: Vec<FollowRule>,
    pub(crate) observers: Vec<Arc<dyn Observer>>,
    pub(crate) secrets: Option<Arc<dyn Secrets>>,
}

/// The first and the longest wait for a store that is away.
const PATIENCE: (Duration, Duration) = (Duration::from_millis(50), Duration::from_secs(5));

/// Called after each end of a job that this engine brings about.
pub(crate) type EndCallback = Arc<dyn Fn(&Job) + Send + Sync>;

/// Says which follow-ups a job has beside its own.
pub(crate) type FollowRule = Arc<dyn Fn(&NewJob) -> Vec<FollowUp> + Send + Sync>;

impl Core {
    /// Writes one run's changes and tells who listens. The caller holds the job's gate.
    pub(crate) async fn write(&self, held: &Held, write: Write) -> Result<Written, Error> {
        let heard = Told::of(&write);
        let written = self
            .store
            .write(vec![write])
            .await?
            .pop()
            .ok_or(Error::ClaimLost)?;
        self.tell(held, heard, &written);
        Ok(written)
    }

    /// Writes as [`Self::write`] does, and waits for a store that is away until the run is told to stop: that a database
    /// restarts is no fault of the run.
    pub(crate) async fn write_patiently(
        &self,
        held: &Held,
        write: Write,
    ) -> Result<Written, Error> {
        let mut wait = PATIENCE.0;
        loop {
            match self.write(held, write.clone()).await {
                Err(Error::Store(error @ store::Error::Unavailable(_))) => {
                    if held.stop().is_some() || self.stopping.is_cancelled() {
                        return Err(Error::Store(error));
                    }
                    tracing::warn!(job = %held.job.id, %error, "not written; trying again");
                }
                written => return written,
            }
            let stop = held.token();
            tokio::select! {
                () = self.clock.sleep(wait) => {}
                () = stop.cancelled() => {}
                () = self.stopping.cancelled() => {}
            }
            wait = (wait * 2).min(PATIENCE.1);
        }
    }

    /// Tells who listens about a write that is on disk.
    pub(crate) fn tell(&self, held: &Held, told: Told, written: &Written) {
        let Written::Done {
            state,
            revision,
            cancel_requested,
            jobs,
            first_line,
        } = written
        else {
            if *written == Written::ClaimLost {
                held.lose();
            }
            return;
        };
        if *cancel_requested {
            held.cancel();
        }
        if jobs.iter().any(|job| job.new) {
            self.wake.notify_one();
        }
        if let Some(progress) = told.progress {
            self.send(held, *revision, EventKind::Progress { progress });
        }
        if !told.lines.is_empty() {
            let lines = number(told.lines, *first_line);
            self.send(held, *revision, EventKind::Log { lines });
        }
        if !told.items.is_empty() {
            let Told { items, changed, .. } = told;
            let counts = held.item_counts();
            let event = EventKind::Items {
                items,
                changed,
                counts,
            };
            self.send(held, *revision, event);
        }
        if told.retry {
            self.observe(|observer| observer.retried(&held.job.kind));
        }
        if told.end {
            self.send(held, *revision, EventKind::State { state: *state });
        }
    }

    fn send(&self, held: &Held, revision: u64, event: EventKind) {
        self.hub.send(held.job.seq, || Event {
            job_id: held.job.id.clone(),
            owner: held.job.owner.clone(),
            kind: held.job.kind.clone(),
            labels: held.job.labels.clone(),
            revision,
            time: self.clock.now(),
            event,
        });
    }

    /// Tells who listens that `job` has the state it has.
    pub(crate) fn send_state(&self, job: &Job) {
        let event = if job.cancel_requested() {
            EventKind::CancelRequested
        } else {
            EventKind::State { state: job.state() }
        };
        self.hub.send(job.seq, || Event {
            job_id: job.id.clone(),
            owner: job.owner.clone(),
            kind: job.kind.clone(),
            labels: job.labels.clone(),
            revision: job.revision,
            time: self.clock.now(),
            event,
        });
    }

    /// Tells who listens that a job was submitted.
    pub(crate) fn send_new(&self, inserted: &Inserted, named: Named, now: Timestamp) {
        self.hub.send(inserted.seq, || Event {
            job_id: inserted.id.clone(),
            owner: named.owner,
            kind: named.kind,
            labels: named.labels,
            revision: 1,
            time: now,
            event: EventKind::State {
                state: State::Pending,
            },
        });
    }

    /// Tells who listens that a job is gone.
    pub(crate) fn send_removed(&self, job: &Job) {
        self.hub.send(job.seq, || Event {
            job_id: job.id.clone(),
            owner: job.owner.clone(),
            kind: job.kind.clone(),
            labels: job.labels.clone(),
            revision: job.revision,
            time: self.clock.now(),
            event: EventKind::Removed,
        });
    }

    /// Tells the observers, if there are any.
    pub(crate) fn observe(&self, tell: impl Fn(&dyn Observer)) {
        self.observers.iter().for_each(|observer| tell(&**observer));
    }

    /// Tells the observers and the callbacks of a job that has ended without a run of this process.
    pub(crate) fn ended_without_run(&self, job: &Job) {
        // Something may follow its end.
        self.wake.notify_one();
        self.observe(|observer| observer.ended(&job.kind, job.state(), job.items));
        self.on_end.iter().for_each(|callback| callback(job));
    }

    /// Tells the observers and the callbacks of a job whose run has ended it.
    pub(crate) async fn ended(&self, held: &Held, state: State) {
        if !state.is_ended() {
            return;
        }
        if let (State::Completed, Some(start)) = (state, held.job.started_at) {
            self.history
                .took(&held.job.kind, self.clock.now().since(start));
        }
        self.observe(|observer| observer.ended(&held.job.kind, state, held.item_counts()));
        if self.on_end.is_empty() {
            return;
        }
        match self.store.job(Some(&held.job.owner), &held.job.id).await {
            Ok(Some(job)) => self.on_end.iter().for_each(|callback| callback(&job)),
            Ok(None) => {}
            Err(error) => tracing::warn!(job = %held.job.id, %error, "end callbacks not called"),
        }
    }

    /// The job as this process, or a remote worker of it, holds it.
    pub(crate) fn held(&self, job: Seq) -> Option<Arc<Held>> {
        let here = self.held.lock().unwrap_or_else(PoisonError::into_inner);
        let found = here.get(&job).cloned();
        drop(here);
        found.or_else(|| self.roster.held(job))
    }

    /// Takes note of a job that a claim gave to this process.
    pub(crate) fn hold(&self, held: &Arc<Held>) {
        self.held
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
            .insert(held.job.seq, Arc::clone(held));
    }

    /// Forgets a job that this run does not hold any more; a later run's hold stays.
    pub(crate) fn forget(&self, held: &Arc<Held>) {
        let mut all = self.held.lock().unwrap_or_else(PoisonError::into_inner);
        if all
            .get(&held.job.seq)
            .is_some_and(|now| Arc::ptr_eq(now, held))
        {
            all.remove(&held.job.seq);
        }
    }

    /// Every job this process holds.
    pub(crate) fn all_held(&self) -> Vec<Arc<Held>> {
        self.held
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
            .values()
            .cloned()
            .collect()
    }

    /// Has `held` written by the flusher, soon.
    pub(crate) fn mark_dirty(&self, held: &Arc<Held>) {
        self.dirty
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
            .push(Arc::clone(held));
        self.flush.notify_one();
    }
}

/// What an event says of a job that was just submitted.
pub(crate) struct Named {
    pub(crate) owner: String,
    pub(crate) kind: String,
    pub(crate) labels: Labels,
}

/// What listeners are told once a write is on disk.
pub(crate) struct Told {
    progress: Option<longhaul_types::Progress>,
    lines: Vec<crate::store::LogWrite>,
    items: Vec<ItemChange>,
    changed: usize,
    end: bool,
    retry: bool,
}

impl Told {
    pub(crate) fn of(write: &Write) -> Self {
        Self {
            progress: write.progress.clone(),
            lines: write.log.clone(),
            items: write
                .items
                .iter()
                .take(EventKind::ITEMS)
                .map(change)
                .collect(),
            changed: write.items.len(),
            end: write.end.is_some(),
            retry: matches!(write.end, Some(End::Retry { .. })),
        }
    }
}

fn change(item: &ItemWrite) -> ItemChange {
    ItemChange {
        name: item.name.clone(),
        state: item.state,
        attempts: item.attempts,
        error: item.error.clone(),
    }
}

fn number(lines: Vec<crate::store::LogWrite>, first: u64) -> Vec<LogLine> {
    lines
        .into_iter()
        .zip(first..)
        .map(|(line, number)| LogLine {
            number,
            time: line.time,
            level: line.level,
            text: line.text,
        })
        .collect()
}
