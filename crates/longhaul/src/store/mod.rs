//! Where jobs live: one small trait in the domain's verbs, batch-first.
//!
//! Invariants every store keeps, and [`crate::testing::conformance`] checks:
//! - an answer comes after what it says is on disk;
//! - a job changes its state only along [`crate::model::next`];
//! - a write of a run is refused unless its [`Claim`] holds the job;
//! - `revision` rises with every change of a job, claim numbers never fall;
//! - what follows an end is inserted in the commit of that end, whoever brings it about;
//! - `(owner, id)` is unique, `(owner, kind, unique_key)` among living jobs, `(owner, idempotency_key)` for 24 hours;
//! - counts are exact.

use std::{collections::BTreeMap, time::Duration};

use async_trait::async_trait;
use longhaul_types::{
    Item, ItemState, JobError, JobId, Labels, Level, LogLine, Progress, Reason, State, Timestamp,
    body::{Artifact, Counts},
};
use tokio::sync::watch;

use crate::{
    handler::Policy,
    model::{
        Attempt, Change, Claim, Detail, Illegal, Job, Retention, Scheduled, Seq, Standing, Token,
        WorkerId, next,
    },
};

mod filter;
mod follow_up;
mod numbers;
#[cfg(feature = "postgres")]
pub mod postgres;
mod schedules;
pub mod sqlite;

pub use filter::{COUNTED, Cut, FailureGroup, Failures, Filter, Page, PageRequest, Total};
pub use follow_up::{StoredFollowUp, told};
#[cfg(feature = "postgres")]
pub use postgres::PostgresStore;
pub use schedules::{After, Fire, Fired, PutDone, PutSchedule};
pub use sqlite::SqliteStore;

/// How long an idempotency key is remembered.
pub const IDEMPOTENCY: Duration = Duration::from_hours(24);

/// What a store can answer with instead of what was asked for.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum Error {
    /// A job with this id exists already.
    #[error("a job with id '{0}' exists already; choose another id or leave it out")]
    IdTaken(JobId),
    /// No worker has ever declared this kind.
    #[error(
        "no worker has ever declared the kind '{0}'; start one that runs it, or check the spelling"
    )]
    UnknownKind(String),
    /// The queue holds as many pending jobs as it may.
    #[error("the queue '{queue}' holds {limit} pending jobs, as many as it may; try again later")]
    QueueFull {
        /// The queue.
        queue: String,
        /// Its limit.
        limit: u64,
    },
    /// The files of an owner's jobs take as much as they may.
    #[error(
        "the files of '{owner}' may take {limit} bytes together, and this one is too much; remove jobs that have ended, or ask \
         for a higher limit"
    )]
    DiskLimit {
        /// The owner.
        owner: String,
        /// Their limit in bytes.
        limit: u64,
    },
    /// There are as many schedules as there may be.
    #[error("there are {0} schedules, as many as there may be; remove one first")]
    TooManySchedules(u64),
    /// No such job.
    #[error("no job {0}")]
    NotFound(Seq),
    /// A token of this id or hash is kept already.
    #[error("a token with this id or secret exists already; make another")]
    TokenTaken,
    /// The disk is full.
    #[error("the disk is full: {0}; free some space and try again, nothing acknowledged is lost")]
    Full(String),
    /// The file is no sound database.
    #[error("{0}")]
    Corrupt(String),
    /// The file was made by another version.
    #[error("{0}")]
    Schema(String),
    /// Another process runs jobs on this file.
    #[error("{0}")]
    Locked(String),
    /// The store is closed, or its database can not be reached.
    #[error("the store is not available: {0}")]
    Unavailable(String),
    /// A fault of the database or of ours.
    #[error("the store failed: {0}")]
    Internal(String),
}

/// A kind of job, as workers declare it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Kind {
    /// Its name.
    pub name: String,
    /// Version of its args.
    pub version: u32,
    /// Queue of a job that is submitted beside the engine and names none.
    pub queue: String,
    /// Attempts in all of such a job.
    pub max_attempts: u32,
    /// Time one attempt of such a job may take.
    pub attempt_timeout: Option<Duration>,
    /// Time such a job may take as a whole.
    pub timeout: Option<Duration>,
    /// How long what its jobs leave is kept.
    pub retention: Retention,
}

impl Kind {
    /// A kind with the policy of a handler that states none.
    pub fn new(name: impl Into<String>) -> Self {
        let policy = Policy::default();
        Self {
            name: name.into(),
            version: 1,
            queue: policy.queue,
            max_attempts: policy.max_attempts,
            attempt_timeout: policy.attempt_timeout,
            timeout: policy.timeout,
            retention: policy.retention,
        }
    }
}

/// A job to insert, every setting resolved.
#[derive(Clone, Debug)]
pub struct Insert {
    /// Its id.
    pub id: JobId,
    /// Whose it is.
    pub owner: String,
    /// What kind.
    pub kind: String,
    /// Queue.
    pub queue: String,
    /// Higher runs first.
    pub priority: i16,
    /// Version of the args.
    pub args_version: u32,
    /// Args, JSON text.
    pub args: String,
    /// Names to values.
    pub labels: Labels,
    /// Why it waits: new, scheduled or held.
    pub reason: Reason,
    /// When it may run; none for a held one.
    pub run_at: Option<Timestamp>,
    /// Key unique among living jobs of this owner and kind.
    pub unique_key: Option<String>,
    /// Key remembered for [`IDEMPOTENCY`].
    pub idempotency_key: Option<String>,
    /// Attempts in all.
    pub max_attempts: u32,
    /// Time one attempt may take.
    pub attempt_timeout: Option<Duration>,
    /// Time the whole job may take.
    pub timeout: Option<Duration>,
    /// Jobs that follow its ends, each inserted in the commit of such an end.
    pub follow_ups: Vec<StoredFollowUp>,
    /// When it is submitted.
    pub created_at: Timestamp,
}

/// What became of an insert.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Inserted {
    /// The job's number.
    pub seq: Seq,
    /// Its id: of the earlier job when a key named one.
    pub id: JobId,
    /// Whether this insert made it.
    pub new: bool,
}

/// A worker asks for jobs.
#[derive(Clone, Debug)]
pub struct ClaimRequest {
    /// Who asks; must have joined.
    pub worker: WorkerId,
    /// Now.
    pub now: Timestamp,
    /// Free slots per queue.
    pub slots: Vec<(String, u32)>,
    /// The kinds it has registered.
    pub kinds: Vec<String>,
}

/// A job that a worker holds now.
#[derive(Clone, Debug)]
pub struct Claimed {
    /// The job, running, with its new claim number.
    pub job: Job,
    /// Since when it was due: the time it waited for, not that of the claim.
    pub due: Timestamp,
    /// Version of the args.
    pub args_version: u32,
    /// Args, JSON text.
    pub args: String,
    /// Latest checkpoint, JSON text.
    pub checkpoint: Option<String>,
}

/// What a run writes, in one transaction, under its claim.
#[derive(Clone, Debug)]
pub struct Write {
    /// The right to write.
    pub claim: Claim,
    /// Now.
    pub now: Timestamp,
    /// Latest progress.
    pub progress: Option<Progress>,
    /// New checkpoint, JSON text.
    pub checkpoint: Option<String>,
    /// Items declared or changed; an unknown name is added at the end.
    pub items: Vec<ItemWrite>,
    /// Log lines, in order.
    pub log: Vec<LogWrite>,
    /// Files stored.
    pub artifacts: Vec<StoredArtifact>,
    /// Jobs to insert.
    pub jobs: Vec<Insert>,
    /// How the run ends, if it does.
    pub end: Option<End>,
}

impl Write {
    /// A write that changes nothing yet.
    pub fn new(claim: Claim, now: Timestamp) -> Self {
        Self {
            claim,
            now,
            progress: None,
            checkpoint: None,
            items: Vec::new(),
            log: Vec::new(),
            artifacts: Vec::new(),
            jobs: Vec::new(),
            end: None,
        }
    }
}

impl Write {
    /// Whether it does nothing but complete its job: such writes share statements.
    fn only_completes(&self) -> bool {
        matches!(self.end, Some(End::Complete { .. }))
            && self.progress.is_none()
            && self.checkpoint.is_none()
            && self.items.is_empty()
            && self.log.is_empty()
            && self.artifacts.is_empty()
            && self.jobs.is_empty()
    }
}

/// A change of an item.
#[derive(Clone, Debug, PartialEq)]
pub struct ItemWrite {
    /// Its name.
    pub name: String,
    /// Where it stands now.
    pub state: ItemState,
    /// How often it was begun.
    pub attempts: u32,
    /// Why it failed, or last failed.
    pub error: Option<JobError>,
    /// Its result, JSON text.
    pub result: Option<String>,
}

/// A log line that has no number yet.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct LogWrite {
    /// When.
    pub time: Timestamp,
    /// How much it matters.
    pub level: Level,
    /// The text.
    pub text: String,
}

/// An artifact and where it lies.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct StoredArtifact {
    /// What users see.
    pub artifact: Artifact,
    /// Its place in the object store.
    pub location: String,
}

/// How a run ends. A run whose cancel was requested ends as cancelled, whatever this says. Items that were running are
/// pending again after any of these, and after a rescue.
#[derive(Clone, Debug, PartialEq)]
pub enum End {
    /// With a result, JSON text.
    Complete {
        /// The result.
        result: Option<String>,
    },
    /// With an error that is final; spends an attempt.
    Fail {
        /// The error.
        error: JobError,
    },
    /// With an error, to be tried again; spends an attempt.
    Retry {
        /// When.
        at: Timestamp,
        /// The error.
        error: JobError,
    },
    /// Not finished: to be looked at again. The worker keeps the job, its claim goes on. A check that worked begins a new
    /// budget of attempts.
    CheckAgain {
        /// When.
        at: Timestamp,
        /// The interval, over which checks are spread after a crash.
        every: Duration,
    },
    /// Not finished: to be looked at again by whichever worker claims it then, with a new claim. A check that worked begins
    /// a new budget of attempts.
    CheckLater {
        /// When.
        at: Timestamp,
    },
    /// The worker stops: given back, spends no attempt.
    Release {
        /// When it may run again.
        at: Timestamp,
    },
    /// The run stopped because of a cancel.
    Cancelled,
}

impl End {
    /// The state after it. A job that its worker keeps between two checks is taken up first.
    pub(crate) fn target(&self, mut standing: Standing) -> Result<State, Illegal> {
        let change = match self {
            Self::Complete { .. } => Change::Complete,
            Self::Fail { .. } => Change::Fail,
            Self::Retry { .. } => Change::Retry,
            Self::CheckAgain { .. } | Self::CheckLater { .. } => Change::CheckAgain,
            Self::Release { .. } => Change::Release,
            Self::Cancelled => Change::Cancelled,
        };
        if standing.state == State::Pending {
            standing.state = next(standing, Change::Claim)?;
        }
        next(standing, change)
    }
}

/// What became of a write.
#[derive(Clone, Debug, PartialEq)]
pub enum Written {
    /// It is on disk.
    Done {
        /// The state now.
        state: State,
        /// The revision now.
        revision: u64,
        /// Whether a cancel is requested.
        cancel_requested: bool,
        /// What became of the jobs to insert; after them, of the follow-ups of the end.
        jobs: Vec<Inserted>,
        /// Number of the first of the log lines.
        first_line: u64,
    },
    /// The claim does not hold the job (any more): nothing was written, and the run must stop.
    ClaimLost,
    /// A job of the write could not be inserted, or an artifact is too much for its owner: nothing was written.
    Refused(Error),
}

#[cfg(feature = "postgres")]
impl Written {
    /// Whether a job may be due now that was not.
    fn makes_due(&self) -> bool {
        matches!(self, Self::Done { state, jobs, .. } if *state == State::Pending || !jobs.is_empty())
    }
}

/// What became of a request from outside for one job.
#[derive(Clone, Debug, PartialEq)]
pub enum Asked {
    /// Done; the job as it is now.
    Done(Box<Job>),
    /// Not allowed in this state; the job is unchanged.
    Illegal(Illegal),
    /// No such job under this owner.
    NotFound,
}

/// A request from outside for jobs by id.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Request {
    /// Cancel: a pending one ends at once, a running one when its run stops. Asking twice is no error.
    Cancel,
    /// Another go for a job that ended: its failed items run again, finished ones are kept, attempts count from 0.
    Retry,
    /// Start one now that is held, scheduled, or waits for its next attempt.
    Start,
    /// Remove an ended one with all it left.
    Remove,
}

/// What a worker learns at a heartbeat.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Heartbeat {
    /// Whether the lease still held; if not, all its runs have lost their claims.
    pub held: bool,
    /// Its jobs whose cancel is requested.
    pub cancelled: Vec<Seq>,
}

/// A worker that lives, with what it holds.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Member {
    /// Its name.
    pub worker: WorkerId,
    /// What it said of itself, JSON text.
    pub about: Option<String>,
    /// When it joined; none when an earlier version wrote it down.
    pub joined_at: Option<Timestamp>,
    /// How long it holds its jobs without a heartbeat, and until when; none for one that needs none.
    pub lease: Option<(Duration, Timestamp)>,
    /// How many jobs it holds, running or between two checks.
    pub holds: u64,
    /// The first of them, those that run before the others.
    pub jobs: Vec<JobId>,
}

/// What the sweeper finds to do.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Due {
    /// The job.
    pub seq: Seq,
    /// Its kind.
    pub kind: String,
    /// How it ended.
    pub state: State,
    /// When it ended.
    pub ended_at: Timestamp,
}

/// What the sweeper does with one job.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Sweep {
    /// The job.
    pub seq: Seq,
    /// Remove the whole row with all that belongs to it.
    pub row: bool,
    /// Remove the log.
    pub log: bool,
    /// Remove the result.
    pub result: bool,
    /// Remove the last progress.
    pub progress: bool,
    /// When to come again.
    pub next: Option<Timestamp>,
}

/// How jobs of one kind and queue stand.
pub type CountsBy = BTreeMap<(String, String), Counts>;

/// Where jobs live.
#[async_trait]
pub trait Store: Send + Sync + 'static {
    /// The number that tells these jobs from those of any other installation: random, made once, and not 0.
    async fn installation(&self) -> Result<u64, Error>;

    /// Declares kinds: known from then on, also when no worker runs. A later declaration replaces an earlier one.
    async fn declare(&self, kinds: Vec<Kind>) -> Result<(), Error>;

    /// The kinds ever declared, by name.
    async fn kinds(&self) -> Result<Vec<Kind>, Error>;

    /// A worker begins its life. Without a lease it holds its jobs until another worker without one joins: the caller
    /// vouches, by a lock, that the other is dead. With one, until the lease ends.
    async fn join(
        &self,
        worker: &WorkerId,
        lease: Option<Duration>,
        now: Timestamp,
    ) -> Result<(), Error>;

    /// What a worker says of itself, JSON text, for whoever lists workers. Nothing happens when it has not joined.
    async fn introduce(&self, worker: &WorkerId, about: String) -> Result<(), Error>;

    /// The workers that live, those that joined first first, each with `jobs` of the jobs that it holds. One whose lease is
    /// over is among them until somebody notices.
    async fn members(&self, jobs: usize) -> Result<Vec<Member>, Error>;

    /// Gives each lease that nobody has noticed the end of a whole period from now on: at a start, as none could be renewed
    /// before.
    async fn extend_leases(&self, now: Timestamp) -> Result<(), Error>;

    /// A worker ends its life; jobs it still holds are rescued by the next [`Store::rescue`].
    async fn leave(&self, worker: &WorkerId) -> Result<(), Error>;

    /// Renews a worker's lease and reads which of its jobs are to be cancelled.
    async fn heartbeat(&self, worker: &WorkerId, now: Timestamp) -> Result<Heartbeat, Error>;

    /// Every job that a worker holds, running or between two checks.
    async fn held(&self, worker: &WorkerId) -> Result<Vec<Seq>, Error>;

    /// Inserts all jobs or none. A job whose key names an earlier one is answered with that one.
    async fn insert(&self, jobs: Vec<Insert>) -> Result<Vec<Inserted>, Error>;

    /// Gives due jobs to a worker: by queue up to its free slots, highest priority first, then oldest.
    async fn claim(&self, request: ClaimRequest) -> Result<Vec<Claimed>, Error>;

    /// Writes what runs report; each write is whole or refused on its own.
    async fn write(&self, writes: Vec<Write>) -> Result<Vec<Written>, Error>;

    /// Gives back jobs of dead workers: spends no attempt, counts the rescue, and fails what was rescued too often.
    /// Checks are due again, spread over their interval. Answers with what changed.
    async fn rescue(&self, now: Timestamp) -> Result<Vec<Job>, Error>;

    /// Fails pending jobs whose time as a whole is over. Answers with what changed.
    async fn expire(&self, now: Timestamp) -> Result<Vec<Job>, Error>;

    /// When the next pending job of no worker becomes due or its deadline passes, if after `now`; `now` when one is due.
    async fn next_due(&self, now: Timestamp) -> Result<Option<Timestamp>, Error>;

    /// Does what somebody asks for jobs of an owner (any owner's, when none).
    async fn ask(
        &self,
        request: Request,
        owner: Option<&str>,
        ids: Vec<JobId>,
        now: Timestamp,
    ) -> Result<Vec<Asked>, Error>;

    /// One job by id.
    async fn job(&self, owner: Option<&str>, id: &JobId) -> Result<Option<Job>, Error>;

    /// One job with its args and result.
    async fn detail(&self, seq: Seq) -> Result<Option<Detail>, Error>;

    /// A page of jobs, newest first. The work is bounded: where no index leads to what a filter shows, the search may be
    /// given up before the page is full, and goes on with the next one.
    async fn page(&self, filter: &Filter, request: &PageRequest) -> Result<Page, Error>;

    /// How many jobs a filter shows: exactly where counts are kept ([`Filter::is_counted`]); else up to [`COUNTED`], or to
    /// where the work would be more than is done for one answer.
    async fn count(&self, filter: &Filter) -> Result<Total, Error>;

    /// The newest jobs of a filter that are older than `before`, however long the search takes.
    async fn jobs(
        &self,
        filter: &Filter,
        before: Option<Seq>,
        limit: usize,
    ) -> Result<Vec<Job>, Error> {
        let mut jobs = Vec::new();
        let mut next = before;
        while jobs.len() < limit {
            let request = PageRequest {
                before: next,
                skip: 0,
                limit: limit - jobs.len(),
            };
            let page = self.page(filter, &request).await?;
            jobs.extend(page.jobs);
            next = page.next;
            if next.is_none() {
                break;
            }
        }
        Ok(jobs)
    }

    /// Exact counts by kind and queue, of one owner or of all.
    async fn counts(&self, owner: Option<&str>) -> Result<CountsBy, Error>;

    /// By queue, since when the job that was submitted first, of those that are due at `now` and wait for a slot, is due. A
    /// queue in which nothing waits is left out.
    async fn waiting(&self, now: Timestamp) -> Result<BTreeMap<String, Timestamp>, Error>;

    /// The queues that are paused, each with when that was.
    async fn paused(&self) -> Result<BTreeMap<String, Timestamp>, Error>;

    /// Pauses a queue: no job of it is claimed, by any worker, until it is resumed; what runs goes on. The name may be one
    /// that nothing else has. Pausing twice keeps the first time.
    async fn pause(&self, queue: &str, now: Timestamp) -> Result<(), Error>;

    /// Lets the jobs of a queue be claimed again. A queue that is not paused is left as it is.
    async fn resume(&self, queue: &str) -> Result<(), Error>;

    /// Puts a schedule in, unless another change came first.
    ///
    /// Errors: [`Error::UnknownKind`] when no worker has ever declared its kind, [`Error::TooManySchedules`].
    async fn put_schedule(&self, put: PutSchedule) -> Result<PutDone, Error>;

    /// Takes a schedule out; the jobs it submitted stay. Answers whether it was there.
    async fn remove_schedule(&self, owner: &str, name: &str) -> Result<bool, Error>;

    /// A schedule by name, of one owner or of any.
    async fn schedule(&self, owner: Option<&str>, name: &str) -> Result<Option<Scheduled>, Error>;

    /// A page of schedules, by name and owner.
    async fn schedules(
        &self,
        owner: Option<&str>,
        after: After<'_>,
        limit: usize,
    ) -> Result<Vec<Scheduled>, Error>;

    /// Schedules to be looked at now, the longest due first.
    async fn due_schedules(&self, now: Timestamp, limit: usize) -> Result<Vec<Scheduled>, Error>;

    /// When a schedule is to be looked at next; none when none is active.
    async fn next_schedule(&self) -> Result<Option<Timestamp>, Error>;

    /// Moves schedules on and submits their jobs; each is done whole or refused on its own.
    async fn fire(&self, fires: Vec<Fire>) -> Result<Vec<Fired>, Error>;

    /// A page of a job's items by position, after `after`; only in `state` when given.
    async fn items(
        &self,
        job: Seq,
        state: Option<ItemState>,
        after: Option<u32>,
        limit: usize,
    ) -> Result<Vec<Item>, Error>;

    /// A page of a job's log, lines after number `after`.
    async fn log(&self, job: Seq, after: u64, limit: usize) -> Result<Vec<LogLine>, Error>;

    /// The last `limit` lines of a job's log, in order.
    async fn log_tail(&self, job: Seq, limit: usize) -> Result<Vec<LogLine>, Error>;

    /// A job's artifacts, by name.
    async fn artifacts(&self, job: Seq) -> Result<Vec<StoredArtifact>, Error>;

    /// Failed jobs by kind and error code, of an owner or of all.
    async fn failures(&self, owner: Option<&str>) -> Result<Failures, Error>;

    /// Bytes that the artifacts of an owner's jobs take together.
    async fn disk(&self, owner: &str) -> Result<u64, Error>;

    /// A job's attempts that did not complete it, oldest first.
    async fn attempts(&self, job: Seq) -> Result<Vec<Attempt>, Error>;

    /// Ended jobs of which something may have to be removed.
    async fn sweepable(&self, now: Timestamp, limit: usize) -> Result<Vec<Due>, Error>;

    /// Removes what is too old. Answers with the places of removed artifacts.
    async fn sweep(&self, sweeps: Vec<Sweep>) -> Result<Vec<String>, Error>;

    /// Of these places in the object store, those that no artifact refers to.
    async fn orphans(&self, locations: Vec<String>) -> Result<Vec<String>, Error>;

    /// Keeps a new token. Refused with [`Error::TokenTaken`] when its id or its hash is kept already.
    async fn add_token(&self, token: Token) -> Result<(), Error>;

    /// Every token that was not revoked, expired ones too, in the order in which they were added.
    async fn tokens(&self) -> Result<Vec<Token>, Error>;

    /// Forgets a token. False when there is none of this id.
    async fn revoke_token(&self, id: &str) -> Result<bool, Error>;

    /// Notes when tokens were last used. A time before the one that is known changes nothing, and neither does a token
    /// that was revoked meanwhile.
    async fn note_token_use(&self, uses: Vec<(String, Timestamp)>) -> Result<(), Error>;

    /// Changes when another process may have changed something.
    fn changed(&self) -> watch::Receiver<u64>;

    /// Changes when another process may have made a job due: with [`Self::changed`], unless that can be told sooner.
    fn due(&self) -> watch::Receiver<u64> {
        self.changed()
    }
}
