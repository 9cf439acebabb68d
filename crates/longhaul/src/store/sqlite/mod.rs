//! Jobs in a SQLite file: one thread that writes, with group commit, and a few connections that read.
//!
//! Invariants: an answer comes after the sync of its commit (WAL, `synchronous=FULL`, read back on every connection); one
//! process runs jobs on a file, by a lock beside it; other processes may submit, read and ask for cancels.

mod ask;
mod claim;
mod end;
pub(crate) mod error;
mod follow;
mod insert;
mod inspect;
mod list;
mod lock;
pub(crate) mod open;
mod read;
mod row;
mod schedules;
mod statements;
mod submit;
mod sweep;
mod tokens;
mod tx;
mod watch;
mod workers;
mod write;
mod writer;

use std::{
    collections::BTreeMap,
    path::{Path, PathBuf},
    sync::Arc,
    time::Duration,
};

use async_trait::async_trait;
use longhaul_types::{Item, ItemState, JobId, LogLine, Timestamp};

pub use self::{inspect::Inspection, lock::RunLock, submit::submit_in};
use self::{
    open::{Purpose, connect, ensure_schema},
    read::Readers,
    tx::Bounds,
    watch::Watch,
    writer::Writer,
};
use crate::{
    model::{Attempt, Detail, Job, Limits, Scheduled, Seq, Token, WorkerId},
    store::{
        After, Asked, ClaimRequest, Claimed, CountsBy, Due, Error, Failures, Filter, Fire, Fired,
        Heartbeat, Insert, Inserted, Kind, Member, Page, PageRequest, PutDone, PutSchedule,
        Request, Store, StoredArtifact, Sweep, Total, Write, Written,
    },
};

/// What a process does with a file.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Role {
    /// It runs jobs: alone, by a lock beside the file.
    #[default]
    Owner,
    /// It submits, reads and asks for cancels, while another runs the jobs.
    Guest,
}

/// How a file is opened.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Options {
    /// What this process does with it.
    pub role: Role,
    /// Pending jobs of a queue.
    pub queue_depth: u64,
    /// Lines of a job's log.
    pub log_lines: u64,
    /// Bytes of the artifacts of an owner's jobs.
    pub owner_disk: u64,
    /// Bytes of a job's args, for submissions that do not come through this library's engine.
    pub args: usize,
    /// Connections that read.
    pub readers: usize,
}

impl Default for Options {
    fn default() -> Self {
        Self::with_limits(&Limits::default())
    }
}

impl Options {
    /// An owner's options with these limits.
    pub fn with_limits(limits: &Limits) -> Self {
        Self {
            role: Role::Owner,
            queue_depth: limits.queue_depth,
            log_lines: limits.log_lines,
            owner_disk: limits.owner_disk,
            args: limits.args,
            readers: 4,
        }
    }

    /// For a process that runs no jobs.
    #[must_use]
    pub fn guest(mut self) -> Self {
        self.role = Role::Guest;
        self
    }
}

/// Jobs in a SQLite file.
#[derive(Debug)]
pub struct SqliteStore {
    // In the order of their end: first who asks the writer, then the writer with all that waits, then the lock.
    _watch: Watch,
    writer: Writer,
    readers: Readers,
    lock: Option<RunLock>,
    path: Arc<Path>,
}

impl SqliteStore {
    /// Opens the file, made when missing, and brings its schema up to date.
    ///
    /// Errors: [`Error::Locked`] when another process owns it, [`Error::Corrupt`] when it is no sound database (it is left
    /// as it is), [`Error::Schema`] when a newer version made it, [`Error::Unavailable`] when it can not be opened or a
    /// setting did not take.
    pub fn open(path: impl Into<PathBuf>, options: &Options) -> Result<Self, Error> {
        let path: PathBuf = path.into();
        let lock = match options.role {
            Role::Owner => Some(Self::lock(&path)?),
            Role::Guest => None,
        };
        Self::open_with(path, options, lock)
    }

    /// Takes the right to run jobs on the file at `path`, without opening it.
    ///
    /// Errors: [`Error::Locked`] when another process has it.
    pub fn lock(path: impl AsRef<Path>) -> Result<RunLock, Error> {
        RunLock::take(path.as_ref())
    }

    fn open_with(path: PathBuf, options: &Options, lock: Option<RunLock>) -> Result<Self, Error> {
        let path: Arc<Path> = Arc::from(path);
        let mut db = connect(&path, Purpose::Write)?;
        ensure_schema(&mut db, &path, lock.as_ref())?;
        if options.role == Role::Owner {
            open::write_settings(&mut db, &path, options)?;
        }
        let bounds = Bounds {
            queue_depth: options.queue_depth,
            log_lines: options.log_lines,
            owner_disk: options.owner_disk,
        };
        let readers = Readers::open(Arc::clone(&path), options.readers)?;
        let writer = Writer::start(db, Arc::clone(&path), bounds)?;
        let looker = writer
            .looker()
            .ok_or_else(|| Error::Unavailable("it is closed".to_owned()))?;
        Ok(Self {
            _watch: Watch::start(looker)?,
            writer,
            readers,
            lock,
            path,
        })
    }

    /// The file.
    pub fn path(&self) -> &Path {
        &self.path
    }
}

#[async_trait]
impl Store for SqliteStore {
    async fn installation(&self) -> Result<u64, Error> {
        self.readers.read(read::installation).await
    }

    async fn declare(&self, kinds: Vec<Kind>) -> Result<(), Error> {
        self.writer
            .call(move |tx| kinds.iter().try_for_each(|kind| tx.declare(kind)))
            .await
    }

    async fn kinds(&self) -> Result<Vec<Kind>, Error> {
        self.readers.read(read::kinds).await
    }

    async fn join(
        &self,
        worker: &WorkerId,
        lease: Option<Duration>,
        now: Timestamp,
    ) -> Result<(), Error> {
        if self.lock.is_none() {
            return Err(Error::Locked(format!(
                "{} is open as a guest, which runs no jobs; open it as its owner",
                self.path.display()
            )));
        }
        let worker = worker.clone();
        self.writer
            .call(move |tx| workers::join(tx, &worker, lease, now))
            .await
    }

    async fn introduce(&self, worker: &WorkerId, about: String) -> Result<(), Error> {
        let worker = worker.clone();
        self.writer
            .call(move |tx| workers::introduce(tx, &worker, &about))
            .await
    }

    async fn members(&self, jobs: usize) -> Result<Vec<Member>, Error> {
        self.readers
            .read(move |db| workers::members(db, jobs))
            .await
    }

    async fn extend_leases(&self, now: Timestamp) -> Result<(), Error> {
        self.writer
            .call(move |tx| workers::extend_leases(tx, now))
            .await
    }

    async fn leave(&self, worker: &WorkerId) -> Result<(), Error> {
        let worker = worker.clone();
        self.writer
            .call(move |tx| workers::leave(tx, &worker))
            .await
    }

    async fn heartbeat(&self, worker: &WorkerId, now: Timestamp) -> Result<Heartbeat, Error> {
        let worker = worker.clone();
        self.writer
            .call(move |tx| workers::heartbeat(tx, &worker, now))
            .await
    }

    async fn held(&self, worker: &WorkerId) -> Result<Vec<Seq>, Error> {
        let worker = worker.clone();
        self.readers
            .read(move |db| read::held(db, worker.as_str()))
            .await
    }

    async fn insert(&self, jobs: Vec<Insert>) -> Result<Vec<Inserted>, Error> {
        self.writer.insert(jobs).await
    }

    async fn claim(&self, request: ClaimRequest) -> Result<Vec<Claimed>, Error> {
        self.writer.call(move |tx| claim::claim(tx, &request)).await
    }

    async fn write(&self, writes: Vec<Write>) -> Result<Vec<Written>, Error> {
        // The writes come back with the answer, to be freed here and not on the writer's thread.
        let call = self
            .writer
            .call(move |tx| Ok((write::write_all(tx, &writes)?, writes)));
        Ok(call.await?.0)
    }

    async fn rescue(&self, now: Timestamp) -> Result<Vec<Job>, Error> {
        self.writer.call(move |tx| workers::rescue(tx, now)).await
    }

    async fn expire(&self, now: Timestamp) -> Result<Vec<Job>, Error> {
        self.writer.call(move |tx| workers::expire(tx, now)).await
    }

    async fn next_due(&self, now: Timestamp) -> Result<Option<Timestamp>, Error> {
        self.readers
            .read(move |db| workers::next_due(db, now))
            .await
    }

    async fn ask(
        &self,
        request: Request,
        owner: Option<&str>,
        ids: Vec<JobId>,
        now: Timestamp,
    ) -> Result<Vec<Asked>, Error> {
        let owner = owner.map(str::to_owned);
        self.writer
            .call(move |tx| ask::ask(tx, request, owner.as_deref(), &ids, now))
            .await
    }

    async fn job(&self, owner: Option<&str>, id: &JobId) -> Result<Option<Job>, Error> {
        let (owner, id) = (owner.map(str::to_owned), id.clone());
        self.readers
            .read(move |db| read::job(db, owner.as_deref(), &id))
            .await
    }

    async fn detail(&self, seq: Seq) -> Result<Option<Detail>, Error> {
        self.readers.read(move |db| read::detail(db, seq)).await
    }

    async fn page(&self, filter: &Filter, request: &PageRequest) -> Result<Page, Error> {
        let (filter, request) = (filter.clone(), *request);
        self.readers
            .read(move |db| list::page(db, &filter, &request))
            .await
    }

    async fn count(&self, filter: &Filter) -> Result<Total, Error> {
        let filter = filter.clone();
        self.readers.read(move |db| list::count(db, &filter)).await
    }

    async fn waiting(&self, now: Timestamp) -> Result<BTreeMap<String, Timestamp>, Error> {
        self.readers.read(move |db| list::waiting(db, now)).await
    }

    async fn counts(&self, owner: Option<&str>) -> Result<CountsBy, Error> {
        let owner = owner.map(str::to_owned);
        self.readers
            .read(move |db| read::counts(db, owner.as_deref()))
            .await
    }

    async fn paused(&self) -> Result<BTreeMap<String, Timestamp>, Error> {
        self.readers.read(read::paused).await
    }

    async fn pause(&self, queue: &str, now: Timestamp) -> Result<(), Error> {
        let queue = queue.to_owned();
        self.writer.call(move |tx| tx.pause(&queue, now)).await
    }

    async fn resume(&self, queue: &str) -> Result<(), Error> {
        let queue = queue.to_owned();
        self.writer.call(move |tx| tx.resume(&queue)).await
    }

    async fn put_schedule(&self, put: PutSchedule) -> Result<PutDone, Error> {
        self.writer.call(move |tx| schedules::put(tx, &put)).await
    }

    async fn remove_schedule(&self, owner: &str, name: &str) -> Result<bool, Error> {
        let (owner, name) = (owner.to_owned(), name.to_owned());
        self.writer
            .call(move |tx| schedules::remove(tx, &owner, &name))
            .await
    }

    async fn schedule(&self, owner: Option<&str>, name: &str) -> Result<Option<Scheduled>, Error> {
        let (owner, name) = (owner.map(str::to_owned), name.to_owned());
        self.readers
            .read(move |db| schedules::one(db, owner.as_deref(), &name))
            .await
    }

    async fn schedules(
        &self,
        owner: Option<&str>,
        after: After<'_>,
        limit: usize,
    ) -> Result<Vec<Scheduled>, Error> {
        let owner = owner.map(str::to_owned);
        let after = after.map(|(name, owner)| (name.to_owned(), owner.to_owned()));
        self.readers
            .read(move |db| schedules::page(db, owner.as_deref(), after, limit))
            .await
    }

    async fn due_schedules(&self, now: Timestamp, limit: usize) -> Result<Vec<Scheduled>, Error> {
        self.readers
            .read(move |db| schedules::due(db, now, limit))
            .await
    }

    async fn next_schedule(&self) -> Result<Option<Timestamp>, Error> {
        self.readers.read(schedules::next).await
    }

    async fn fire(&self, fires: Vec<Fire>) -> Result<Vec<Fired>, Error> {
        self.writer
            .call(move |tx| schedules::fire_all(tx, &fires))
            .await
    }

    async fn items(
        &self,
        job: Seq,
        state: Option<ItemState>,
        after: Option<u32>,
        limit: usize,
    ) -> Result<Vec<Item>, Error> {
        self.readers
            .read(move |db| read::items(db, job, state, after, limit))
            .await
    }

    async fn log(&self, job: Seq, after: u64, limit: usize) -> Result<Vec<LogLine>, Error> {
        self.readers
            .read(move |db| read::log(db, job, after, limit))
            .await
    }

    async fn log_tail(&self, job: Seq, limit: usize) -> Result<Vec<LogLine>, Error> {
        self.readers
            .read(move |db| read::log_tail(db, job, limit))
            .await
    }

    async fn artifacts(&self, job: Seq) -> Result<Vec<StoredArtifact>, Error> {
        self.readers.read(move |db| read::artifacts(db, job)).await
    }

    async fn failures(&self, owner: Option<&str>) -> Result<Failures, Error> {
        let owner = owner.map(str::to_owned);
        let failures = move |db: &_| list::failures(db, owner.as_deref());
        self.readers.read(failures).await
    }

    async fn disk(&self, owner: &str) -> Result<u64, Error> {
        let owner = owner.to_owned();
        self.readers.read(move |db| read::disk(db, &owner)).await
    }

    async fn attempts(&self, job: Seq) -> Result<Vec<Attempt>, Error> {
        self.readers.read(move |db| read::attempts(db, job)).await
    }

    async fn sweepable(&self, now: Timestamp, limit: usize) -> Result<Vec<Due>, Error> {
        self.readers
            .read(move |db| sweep::sweepable(db, now, limit))
            .await
    }

    async fn sweep(&self, sweeps: Vec<Sweep>) -> Result<Vec<String>, Error> {
        self.writer.call(move |tx| sweep::sweep(tx, &sweeps)).await
    }

    async fn orphans(&self, locations: Vec<String>) -> Result<Vec<String>, Error> {
        self.readers
            .read(move |db| sweep::orphans(db, locations))
            .await
    }

    async fn add_token(&self, token: Token) -> Result<(), Error> {
        self.writer.call(move |tx| tokens::add(tx, &token)).await
    }

    async fn tokens(&self) -> Result<Vec<Token>, Error> {
        self.readers.read(tokens::all).await
    }

    async fn revoke_token(&self, id: &str) -> Result<bool, Error> {
        let id = id.to_owned();
        self.writer.call(move |tx| tokens::revoke(tx, &id)).await
    }

    async fn note_token_use(&self, uses: Vec<(String, Timestamp)>) -> Result<(), Error> {
        self.writer
            .call(move |tx| tokens::note_use(tx, &uses))
            .await
    }

    fn changed(&self) -> tokio::sync::watch::Receiver<u64> {
        self.writer.changed()
    }
}
