//! The engine: what a program opens, registers its handlers with, and submits to.

mod builder;
mod bulk;
mod core;
mod ends;
mod error;
mod estimates;
mod flush;
mod follow;
mod handle;
mod heartbeat;
mod hub;
mod observer;
mod queues;
mod registry;
pub mod remote;
mod run;
mod scheduler;
mod schedules;
mod submit;
mod sweeper;
mod wake;
mod worker;

use std::{
    collections::BTreeMap,
    path::Path,
    sync::{Arc, Mutex, PoisonError},
};

use longhaul_types::{ErrorCode, JobId, State, body::Counts};
use serde::Serialize;
use tokio::task::JoinHandle;

pub use builder::{Builder, beside};
pub use bulk::{Bulk, BulkDone, BulkStep, Skipped};
pub(crate) use core::{Core, Named};
pub use error::Error;
pub use handle::{Ended, JobHandle};
pub use hub::{Events, Heard};
pub use observer::{Observer, Ran};
pub use queues::Queue;

use crate::{
    artifacts::Artifacts,
    handler::DEFAULT_QUEUE,
    model::{Job, Limits, NewJob, Seq},
    store::{Asked, CountsBy, Request, Store},
};

/// Runs jobs and never loses one. Cheap to clone.
///
/// Dropping every handle does not stop the work: [`Engine::shutdown`] does, and gives jobs back cleanly.
#[derive(Clone)]
pub struct Engine {
    core: Arc<Core>,
    tasks: Arc<Mutex<Tasks>>,
}

/// What an engine has running.
#[derive(Default)]
struct Tasks {
    /// The worker and what writes the ends of its runs, in the order in which they end; none without a worker.
    work: Vec<JoinHandle<()>>,
    /// What is needed until those have ended.
    rest: Vec<JoinHandle<()>>,
}

impl std::fmt::Debug for Engine {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Engine")
            .field("worker", &self.core.worker)
            .field("kinds", &self.core.registry.names())
            .finish_non_exhaustive()
    }
}

impl Engine {
    /// An engine on a SQLite file, made when missing. Files of jobs lie beside it, under the same name and `.files`.
    pub fn open(path: impl AsRef<Path>) -> Builder {
        Builder::file(path.as_ref())
    }

    /// An engine on any store.
    pub fn on(store: Arc<dyn Store>) -> Builder {
        Builder::store(store)
    }

    fn new(core: Arc<Core>, tasks: Tasks) -> Self {
        Self {
            core,
            tasks: Arc::new(Mutex::new(tasks)),
        }
    }

    /// Starts a job of the one registered kind that takes args of this type. It is on disk when this returns.
    pub async fn submit<A: Serialize + Send + Sync + 'static>(
        &self,
        args: A,
    ) -> Result<JobHandle, Error> {
        let kind = self.core.registry.kind_of::<A>()?;
        let job = NewJob::new(kind, &args).map_err(|source| Error::Json {
            what: "the args",
            source,
        })?;
        self.submit_job(job).await
    }

    /// Starts a job. It is on disk when this returns.
    pub async fn submit_job(&self, job: NewJob) -> Result<JobHandle, Error> {
        let mut handles = self.submit_many(vec![job]).await?;
        handles.pop().ok_or(Error::Closed)
    }

    /// Starts jobs, all or none, in one transaction. They are on disk when this returns.
    pub async fn submit_many(&self, jobs: Vec<NewJob>) -> Result<Vec<JobHandle>, Error> {
        if self.core.stopping.is_cancelled() {
            return Err(Error::Closed);
        }
        submit::within("the number of jobs", jobs.len(), self.core.limits.batch)?;
        let now = self.core.clock.now();
        let named: Vec<Named> = jobs
            .iter()
            .map(|job| Named {
                owner: job.owner.clone(),
                kind: job.kind.clone(),
                labels: job.labels.clone(),
            })
            .collect();
        let inserts = jobs
            .into_iter()
            .map(|job| self.core.resolve(job, now))
            .collect::<Result<Vec<_>, Error>>()?;
        let inserted = self.core.store.insert(inserts).await?;
        self.core.wake.notify_one();
        let handles = inserted.into_iter().zip(named);
        Ok(handles
            .map(|(inserted, named)| {
                let owner = named.owner.clone();
                if inserted.new {
                    self.core.send_new(&inserted, named, now);
                }
                let core = Arc::clone(&self.core);
                JobHandle::new(core, inserted.seq, inserted.id, owner, inserted.new)
            })
            .collect())
    }

    /// A job by id, of one owner or of any.
    pub async fn job(&self, owner: Option<&str>, id: &JobId) -> Result<Job, Error> {
        let job = self.core.store.job(owner, id).await?;
        job.ok_or_else(|| Error::NotFound(id.clone()))
    }

    /// A handle of a job by id.
    pub async fn handle(&self, owner: Option<&str>, id: &JobId) -> Result<JobHandle, Error> {
        let job = self.job(owner, id).await?;
        let core = Arc::clone(&self.core);
        Ok(JobHandle::new(core, job.seq, job.id, job.owner, false))
    }

    /// Asks for the end of a job: a pending one ends at once, a running one when its run has stopped.
    pub async fn cancel(&self, owner: Option<&str>, id: &JobId) -> Result<Job, Error> {
        ask_one(&self.core, Request::Cancel, owner, id).await
    }

    /// Gives a job that ended another go: failed items run again, finished ones are kept.
    pub async fn retry(&self, owner: Option<&str>, id: &JobId) -> Result<Job, Error> {
        ask_one(&self.core, Request::Retry, owner, id).await
    }

    /// Starts a job now that is held, scheduled, or waits for its next attempt.
    pub async fn start_now(&self, owner: Option<&str>, id: &JobId) -> Result<Job, Error> {
        ask_one(&self.core, Request::Start, owner, id).await
    }

    /// Removes a job that has ended, with all it left.
    pub async fn remove(&self, owner: Option<&str>, id: &JobId) -> Result<Job, Error> {
        ask_one(&self.core, Request::Remove, owner, id).await
    }

    /// Exact counts by kind and queue.
    pub async fn counts_by(&self, owner: Option<&str>) -> Result<CountsBy, Error> {
        Ok(self.core.store.counts(owner).await?)
    }

    /// Exact counts of all kinds and queues together.
    pub async fn counts(&self, owner: Option<&str>) -> Result<Counts, Error> {
        let mut sum = Counts::default();
        for counts in self.counts_by(owner).await?.values() {
            for state in State::ALL {
                *sum.of_mut(state) += counts.of(state);
            }
        }
        Ok(sum)
    }

    /// All events from now on.
    pub fn events(&self) -> Events {
        self.core.hub.events()
    }

    /// The events of one job from now on. Listening to one job costs the others nothing.
    pub fn job_events(&self, job: Seq) -> Events {
        self.core.hub.job_events(job)
    }

    /// Has the worker look for jobs now: after a submission in a transaction of the caller's own.
    pub fn wake(&self) {
        self.core.wake.notify_one();
    }

    /// The kinds this engine runs.
    pub fn kinds(&self) -> Vec<String> {
        self.core.registry.names()
    }

    /// The queue of a job of this kind that is submitted here and names none.
    pub fn queue_of(&self, kind: &str) -> &str {
        let registered = self.core.registry.get(kind);
        registered.map_or(DEFAULT_QUEUE, |registered| &registered.policy.queue)
    }

    /// The limits.
    pub fn limits(&self) -> &Limits {
        &self.core.limits
    }

    /// The store, for reading what has no shorthand here.
    pub fn store(&self) -> &Arc<dyn Store> {
        &self.core.store
    }

    /// Where files of jobs lie.
    pub fn artifacts(&self) -> &Artifacts {
        &self.core.artifacts
    }

    /// What workers elsewhere ask.
    pub fn remote(&self) -> remote::Remote {
        remote::Remote::new(Arc::clone(&self.core))
    }

    /// Removes now whatever is older than its retention; done by itself every minute.
    pub async fn sweep(&self) -> Result<(), Error> {
        sweeper::sweep_once(&self.core).await
    }

    /// Runs at a time by queue; empty without a worker.
    pub fn slots(&self) -> &BTreeMap<String, u32> {
        &self.core.slots
    }

    /// How many jobs this process holds, running or kept between two checks.
    pub fn held(&self) -> usize {
        self.core.all_held().len()
    }

    /// Stops: no new runs; those that run are told to stop, get their kind's grace, and go on later from their
    /// checkpoint without having spent an attempt. Ends when all is on disk. Calling it again does nothing. A SQLite file
    /// stays locked until the last handle of the engine and of its jobs is dropped.
    pub async fn shutdown(&self) {
        self.core.stopping.cancel();
        let tasks = {
            let mut tasks = self.tasks.lock().unwrap_or_else(PoisonError::into_inner);
            std::mem::take(&mut *tasks)
        };
        for task in tasks.work {
            join(task).await;
        }
        self.core.closed.cancel();
        self.core.flush.notify_one();
        for task in tasks.rest {
            join(task).await;
        }
        if let Err(error) = self.core.store.leave(&self.core.worker).await {
            tracing::warn!(%error, "the worker's row stays; the next start removes it");
        }
        self.core.hub.close();
    }
}

async fn join(task: JoinHandle<()>) {
    if let Err(error) = task.await {
        tracing::error!(%error, "a part of the engine ended wrongly");
    }
}

/// Does what somebody asks for one job, and tells who listens.
async fn ask_one(
    core: &Arc<Core>,
    request: Request,
    owner: Option<&str>,
    id: &JobId,
) -> Result<Job, Error> {
    let now = core.clock.now();
    let asked = core
        .store
        .ask(request, owner, vec![id.clone()], now)
        .await?;
    match asked.into_iter().next() {
        None | Some(Asked::NotFound) => Err(Error::NotFound(id.clone())),
        Some(Asked::Illegal(illegal)) => Err(Error::Illegal {
            id: id.clone(),
            request,
            state: illegal.state,
        }),
        Some(Asked::Done(job)) => {
            core.asked(request, &job).await;
            Ok(*job)
        }
    }
}

impl Core {
    /// Lets a request take effect in this process.
    async fn asked(&self, request: Request, job: &Job) {
        match request {
            Request::Cancel => {
                if let Some(held) = self.held(job.seq) {
                    held.cancel();
                }
                self.send_state(job);
                if job.state() == State::Cancelled {
                    crate::context::remove_scratch(&self.scratch, job.seq).await;
                    self.ended_without_run(job);
                }
            }
            Request::Retry | Request::Start => {
                self.wake.notify_one();
                self.send_state(job);
            }
            Request::Remove => self.send_removed(job),
        }
    }
}

impl From<&Error> for longhaul_types::Problem {
    fn from(error: &Error) -> Self {
        let code: ErrorCode = error.code();
        Self::new(code, error.to_string())
    }
}
