//! How an engine is set up and started.

use std::{
    collections::BTreeMap,
    path::{Path, PathBuf},
    sync::{Arc, Mutex},
    time::Duration,
};

use serde::{Serialize, de::DeserializeOwned};
use tokio::sync::{Notify, mpsc};
use tokio_util::sync::CancellationToken;

use super::{
    Core, Engine, Error, Observer, Tasks,
    core::{EndCallback, FollowRule},
    ends,
    estimates::History,
    flush, heartbeat,
    hub::Hub,
    registry::Registry,
    remote::{self, Roster},
    scheduler,
    submit::Kinds,
    sweeper,
    wake::{self, Wake},
    worker::Worker,
};
use crate::{
    Context, Failure, Outcome,
    artifacts::Artifacts,
    clock::{SharedClock, SystemClock},
    handler::{DEFAULT_QUEUE, Handler},
    model::{FollowUp, Job, Limits, NewJob, Schedule, WorkerId},
    secrets::Secrets,
    store::{
        Store,
        sqlite::{self, SqliteStore},
    },
};

/// Runs at a time in a queue that nothing is said of.
const CONCURRENCY: u32 = 16;

/// An engine before its start.
pub struct Builder {
    origin: Origin,
    registry: Registry,
    queues: BTreeMap<String, u32>,
    concurrency: u32,
    limits: Limits,
    clock: SharedClock,
    artifacts: Option<Artifacts>,
    scratch: Option<PathBuf>,
    lease: Option<Duration>,
    on_end: Vec<EndCallback>,
    follow_rules: Vec<FollowRule>,
    observers: Vec<Arc<dyn Observer>>,
    schedules: Vec<Schedule>,
    secrets: Option<Arc<dyn Secrets>>,
    works: bool,
}

enum Origin {
    File(PathBuf),
    Store(Arc<dyn Store>),
}

impl std::fmt::Debug for Builder {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Builder")
            .field("kinds", &self.registry.names())
            .finish_non_exhaustive()
    }
}

impl Builder {
    pub(super) fn file(path: &Path) -> Self {
        Self::new(Origin::File(path.to_owned()))
    }

    pub(super) fn store(store: Arc<dyn Store>) -> Self {
        Self::new(Origin::Store(store))
    }

    fn new(origin: Origin) -> Self {
        Self {
            origin,
            registry: Registry::default(),
            queues: BTreeMap::new(),
            concurrency: CONCURRENCY,
            limits: Limits::default(),
            clock: Arc::new(SystemClock),
            artifacts: None,
            scratch: None,
            lease: None,
            on_end: Vec::new(),
            follow_rules: Vec::new(),
            observers: Vec::new(),
            schedules: Vec::new(),
            secrets: None,
            works: true,
        }
    }

    /// With a kind that this engine runs.
    #[must_use]
    pub fn register(mut self, handler: impl Handler) -> Self {
        self.registry.register(handler);
        self
    }

    /// With a kind that is a function: for kinds that need no policy and no versions of their own.
    #[must_use]
    pub fn register_fn<A, T, F, Fut>(mut self, kind: &'static str, run: F) -> Self
    where
        A: DeserializeOwned + Send + 'static,
        T: Serialize + Send + 'static,
        F: Fn(A, Context) -> Fut + Send + Sync + 'static,
        Fut: Future<Output = Result<Outcome<T>, Failure>> + Send + 'static,
    {
        self.registry.register_fn(kind, run);
        self
    }

    /// With this many runs at a time in the queue `name`.
    #[must_use]
    pub fn queue(mut self, name: impl Into<String>, concurrency: u32) -> Self {
        self.queues.insert(name.into(), concurrency);
        self
    }

    /// With this many runs at a time in every queue that [`Self::queue`] says nothing of; 16 unless said otherwise.
    #[must_use]
    pub fn concurrency(mut self, concurrency: u32) -> Self {
        self.concurrency = concurrency;
        self
    }

    /// With these limits.
    #[must_use]
    pub fn limits(mut self, limits: Limits) -> Self {
        self.limits = limits;
        self
    }

    /// With this clock.
    #[must_use]
    pub fn clock(mut self, clock: SharedClock) -> Self {
        self.clock = clock;
        self
    }

    /// With artifacts in this store, which becomes this installation's; unless said otherwise in a folder beside the
    /// database.
    #[must_use]
    pub fn artifacts(mut self, artifacts: Artifacts) -> Self {
        self.artifacts = Some(artifacts);
        self
    }

    /// With scratch folders under this one; unless said otherwise beside the database.
    #[must_use]
    pub fn scratch(mut self, folder: impl Into<PathBuf>) -> Self {
        self.scratch = Some(folder.into());
        self
    }

    /// With a lease that the store's clock ends: for stores that several processes work on.
    #[must_use]
    pub fn lease(mut self, lease: Duration) -> Self {
        self.lease = Some(lease);
        self
    }

    /// Calls `callback` after each end of a job that this engine brings about. It must not block.
    #[must_use]
    pub fn on_end(mut self, callback: impl Fn(&Job) + Send + Sync + 'static) -> Self {
        self.on_end.push(Arc::new(callback));
        self
    }

    /// Asks `rule` which follow-ups each job that comes through this engine has beside its own; it is not asked about those
    /// that a rule itself adds. Jobs that other processes insert into the store do not come through an engine.
    #[must_use]
    pub fn follow_ups(
        mut self,
        rule: impl Fn(&NewJob) -> Vec<FollowUp> + Send + Sync + 'static,
    ) -> Self {
        self.follow_rules.push(Arc::new(rule));
        self
    }

    /// Tells `observer` what the engine does with its jobs, beside those named before.
    #[must_use]
    pub fn observer(mut self, observer: impl Observer) -> Self {
        self.observers.push(Arc::new(observer));
        self
    }

    /// With a schedule, put in at the start in place of one of the same owner and name; whether that is paused stays as
    /// it is, and what it missed while no engine ran is made up for as it says.
    #[must_use]
    pub fn schedule(mut self, schedule: Schedule) -> Self {
        self.schedules.push(schedule);
        self
    }

    /// With secrets, which args name by `{"$secret": "name"}`: put in when a job runs, and taken out of whatever its run
    /// writes. Without them such args reach the handler as they are.
    #[must_use]
    pub fn secrets(mut self, secrets: impl Secrets) -> Self {
        self.secrets = Some(Arc::new(secrets));
        self
    }

    /// Without running jobs: to submit, read and cancel beside another process that does.
    #[must_use]
    pub fn without_worker(mut self) -> Self {
        self.works = false;
        self
    }

    /// Opens the store, takes over what dead workers held, and starts to work.
    ///
    /// # Errors
    /// [`crate::store::Error::Locked`] when another process runs jobs on the same file; what else the store says of a file
    /// that it can not open; [`crate::artifacts::Error::Place`] when the artifacts' store can not be used, or is another
    /// installation's.
    pub async fn start(self) -> Result<Engine, Error> {
        self.registry.validate()?;
        let (store, beside) = match &self.origin {
            Origin::Store(store) => {
                let name = format!("longhaul-{}", uuid::Uuid::now_v7());
                (Arc::clone(store), std::env::temp_dir().join(name))
            }
            Origin::File(path) => {
                let store = open_file(path, &self.limits, self.works).await?;
                (store, beside(path))
            }
        };
        let artifacts = match self.artifacts.clone() {
            Some(artifacts) => {
                artifacts.belong_to(store.installation().await?).await?;
                artifacts
            }
            None => Artifacts::folder(&beside.join("artifacts"))?,
        };
        let scratch = self
            .scratch
            .clone()
            .unwrap_or_else(|| beside.join("scratch"));
        let core = Arc::new(Core {
            store,
            clock: self.clock.clone(),
            limits: self.limits.clone(),
            registry: self.registry.clone(),
            kinds: Kinds::default(),
            hub: Hub::new(),
            artifacts,
            scratch,
            worker: WorkerId::new(),
            slots: self.slots(),
            paused: Mutex::default(),
            history: History::default(),
            reading_pauses: tokio::sync::Mutex::default(),
            wake: Wake::new(),
            rescheduled: Notify::new(),
            stopping: CancellationToken::new(),
            closed: CancellationToken::new(),
            held: Mutex::default(),
            roster: Roster::default(),
            dirty: Mutex::default(),
            flush: Notify::new(),
            on_end: self.on_end.clone(),
            follow_rules: self.follow_rules.clone(),
            observers: self.observers.clone(),
            secrets: self.secrets.clone(),
        });
        core.store.declare(core.registry.declarations()).await?;
        core.kinds.replace(core.store.kinds().await?);
        for schedule in &self.schedules {
            core.put_schedule(schedule.clone()).await?;
        }
        let tasks = if self.works {
            self.start_work(&core).await?
        } else {
            Tasks {
                work: Vec::new(),
                rest: vec![tokio::spawn(heartbeat::beat(Arc::clone(&core), None))],
            }
        };
        Ok(Engine::new(core, tasks))
    }

    /// Runs at a time by queue.
    fn slots(&self) -> BTreeMap<String, u32> {
        if !self.works {
            return BTreeMap::new();
        }
        let mut slots = self.queues.clone();
        for queue in self.registry.queues().chain([DEFAULT_QUEUE]) {
            slots.entry(queue.to_owned()).or_insert(self.concurrency);
        }
        slots
    }

    async fn start_work(&self, core: &Arc<Core>) -> Result<Tasks, Error> {
        let now = core.clock.now();
        if self.lease.is_none() {
            // Nobody else could renew the leases of remote workers while no engine ran.
            core.store.extend_leases(now).await?;
        }
        core.store.join(&core.worker, self.lease, now).await?;
        remote::introduce_local(core).await?;
        heartbeat::rescue(core).await;
        remote::restore(core).await?;
        core.read_pauses().await?;
        let (ends, to_write) = mpsc::channel(ends::BACKLOG);
        let worker = Worker::new(Arc::clone(core), ends);
        Ok(Tasks {
            work: vec![
                tokio::spawn(worker.work()),
                tokio::spawn(ends::write_ends(Arc::clone(core), to_write)),
            ],
            rest: vec![
                tokio::spawn(flush::flush(Arc::clone(core))),
                tokio::spawn(heartbeat::beat(Arc::clone(core), self.lease)),
                tokio::spawn(wake::heed(Arc::clone(core))),
                tokio::spawn(sweeper::sweep(Arc::clone(core))),
                tokio::spawn(remote::watch(Arc::clone(core))),
                tokio::spawn(scheduler::schedule(Arc::clone(core))),
            ],
        })
    }
}

/// The folder of what belongs to a database file: `jobs.db` has `jobs.db.files`.
/// The folder beside a database file that has its `artifacts` and `scratch`, unless they lie elsewhere.
pub fn beside(path: &Path) -> PathBuf {
    let mut name = path.as_os_str().to_owned();
    name.push(".files");
    PathBuf::from(name)
}

async fn open_file(path: &Path, limits: &Limits, works: bool) -> Result<Arc<dyn Store>, Error> {
    let path = path.to_owned();
    let options = sqlite::Options::with_limits(limits);
    let options = if works { options } else { options.guest() };
    let store = tokio::task::spawn_blocking(move || SqliteStore::open(path, &options))
        .await
        .map_err(|_| Error::Closed)??;
    Ok(Arc::new(store))
}
