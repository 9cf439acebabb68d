//! What behaviours are written with: one kind, one worker, times counted from one start, and verbs that expect success.

use std::time::Duration;

use longhaul_types::{
    Item, ItemState, JobError, JobId, Labels, Level, LogLine, Reason, State, Timestamp,
    body::Artifact,
};

use crate::{
    model::{Attempt, Claim, Detail, Job, Retention, Seq, WorkerId},
    store::{
        Asked, ClaimRequest, Claimed, End, Filter, Insert, Inserted, ItemWrite, Kind, LogWrite,
        Request, Store, StoredArtifact, Write, Written,
    },
};

/// More than any behaviour has of anything.
pub(super) const ALL: usize = 100_000;
/// The kind of jobs that name none.
pub(super) const KIND: &str = "suite.kind";
/// Another kind that is declared.
pub(super) const OTHER: &str = "suite.other";
/// The queue of jobs that name none.
pub(super) const QUEUE: &str = "suite";
/// When the sweeper comes for jobs of [`KIND`].
pub(super) const SWEEP_AFTER: Duration = Duration::from_hours(1);

/// `seconds` after the start of every behaviour.
pub(super) fn at(seconds: u64) -> Timestamp {
    Timestamp(1_700_000_000_000) + Duration::from_secs(seconds)
}

/// Seconds as a duration.
pub(super) fn secs(seconds: u64) -> Duration {
    Duration::from_secs(seconds)
}

/// A job's id.
pub(super) fn id(text: &str) -> JobId {
    text.parse().expect("an id of this suite is valid")
}

/// A job of [`KIND`] submitted, and due, at the start.
pub(super) fn job(name: &str) -> Insert {
    Insert {
        id: id(name),
        owner: String::new(),
        kind: KIND.to_owned(),
        queue: QUEUE.to_owned(),
        priority: 0,
        args_version: 1,
        args: "{}".to_owned(),
        labels: Labels::new(),
        reason: Reason::New,
        run_at: Some(at(0)),
        unique_key: None,
        idempotency_key: None,
        max_attempts: 3,
        attempt_timeout: None,
        timeout: None,
        follow_ups: Vec::new(),
        created_at: at(0),
    }
}

/// A retention whose first part is over after this time.
pub(super) fn first_after(log: Duration) -> Retention {
    Retention {
        log,
        ..Retention::default()
    }
}

/// A kind whose jobs are swept after [`SWEEP_AFTER`].
pub(super) fn kind(name: &str) -> Kind {
    Kind {
        version: 1,
        retention: first_after(SWEEP_AFTER),
        ..Kind::new(name)
    }
}

/// Jobs `prefix-0`, `prefix-1`, ….
pub(super) fn jobs(prefix: &str, count: usize) -> Vec<Insert> {
    (0..count).map(|n| job(&format!("{prefix}-{n}"))).collect()
}

/// The worker of that name.
pub(super) fn worker(name: &str) -> WorkerId {
    WorkerId::named(name)
}

/// An error of a handler.
pub(super) fn error(message: &str) -> JobError {
    JobError {
        code: "suite_error".to_owned(),
        message: message.to_owned(),
    }
}

/// An item that stands in `state`, begun once.
pub(super) fn item(name: &str, state: ItemState) -> ItemWrite {
    ItemWrite {
        name: name.to_owned(),
        state,
        attempts: 1,
        error: (state == ItemState::Failed).then(|| error("no such part")),
        result: (state == ItemState::Completed).then(|| format!("{{\"of\":\"{name}\"}}")),
    }
}

/// Log lines of these texts.
pub(super) fn lines(texts: &[&str]) -> Vec<LogWrite> {
    let line = |text: &&str| LogWrite {
        time: at(0),
        level: Level::Info,
        text: (*text).to_owned(),
    };
    texts.iter().map(line).collect()
}

/// A file of a job.
pub(super) fn artifact(name: &str, location: &str) -> StoredArtifact {
    StoredArtifact {
        artifact: Artifact {
            name: name.to_owned(),
            size: 3,
            sha256: "ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad".to_owned(),
            content_type: "text/plain".to_owned(),
            created_at: at(0),
        },
        location: location.to_owned(),
    }
}

/// One end of each kind, none of them [`End::Cancelled`].
pub(super) fn ends() -> Vec<End> {
    vec![
        End::Complete {
            result: Some("1".to_owned()),
        },
        End::Fail {
            error: error("final"),
        },
        End::Retry {
            at: at(60),
            error: error("again"),
        },
        End::CheckAgain {
            at: at(60),
            every: secs(60),
        },
        End::CheckLater { at: at(60) },
        End::Release { at: at(60) },
    ]
}

/// A completion without a result.
pub(super) fn complete() -> End {
    End::Complete { result: None }
}

/// A final failure.
pub(super) fn fail() -> End {
    End::Fail {
        error: error("final"),
    }
}

/// What a write was answered with, when it was done.
#[derive(Clone, Debug)]
pub(super) struct Done {
    pub(super) state: State,
    pub(super) revision: u64,
    pub(super) cancel_requested: bool,
    pub(super) jobs: Vec<Inserted>,
    pub(super) first_line: u64,
}

/// All that a store tells of one job.
#[derive(Clone, Debug, PartialEq)]
pub struct Snapshot {
    /// The job, its args and result.
    pub detail: Option<Detail>,
    /// Its items.
    pub items: Vec<Item>,
    /// Its log.
    pub log: Vec<LogLine>,
    /// Its files.
    pub artifacts: Vec<StoredArtifact>,
    /// Its attempts.
    pub attempts: Vec<Attempt>,
}

/// All that a store tells of one job.
pub async fn snapshot(store: &dyn Store, seq: Seq) -> Snapshot {
    Snapshot {
        detail: store.detail(seq).await.expect("detail"),
        items: store.items(seq, None, None, ALL).await.expect("items"),
        log: store.log(seq, 0, ALL).await.expect("log"),
        artifacts: store.artifacts(seq).await.expect("artifacts"),
        attempts: store.attempts(seq).await.expect("attempts"),
    }
}

/// A store in which two kinds are declared and the worker `first` has joined without a lease.
pub(super) struct Lab<'a> {
    pub(super) store: &'a dyn Store,
    pub(super) worker: WorkerId,
}

impl<'a> Lab<'a> {
    pub(super) async fn new(store: &'a dyn Store) -> Self {
        let declared = store.declare(vec![kind(KIND), kind(OTHER)]).await;
        declared.expect("declare");
        let worker = worker("first");
        store.join(&worker, None, at(0)).await.expect("join");
        Self { store, worker }
    }

    pub(super) async fn insert(&self, jobs: Vec<Insert>) -> Vec<Inserted> {
        self.store.insert(jobs).await.expect("insert")
    }

    pub(super) async fn submit(&self, job: Insert) -> Seq {
        let inserted = self.insert(vec![job]).await;
        assert!(inserted[0].new, "the job is new");
        inserted[0].seq
    }

    /// What `worker` gets of [`QUEUE`] and both kinds.
    pub(super) async fn claim(&self, worker: &WorkerId, now: Timestamp) -> Vec<Claimed> {
        let claimed = self.store.claim(request(worker, now)).await;
        claimed.expect("claim")
    }

    /// The one job that is due.
    pub(super) async fn claim_one(&self, now: Timestamp) -> Claim {
        let claimed = self.claim(&self.worker, now).await;
        assert_eq!(claimed.len(), 1, "one job is due at {now}");
        held(&claimed[0])
    }

    /// A new job of this name, run from `at(0)`. Nothing else may be due then.
    pub(super) async fn run(&self, name: &str) -> Claim {
        self.run_job(job(name)).await
    }

    /// This job, new and run from `at(0)`. Nothing else may be due then.
    pub(super) async fn run_job(&self, job: Insert) -> Claim {
        let seq = self.submit(job).await;
        let claim = self.claim_one(at(0)).await;
        assert_eq!(claim.job, seq, "the new job is the one that is due");
        claim
    }

    /// A new job that has ended like this at `at(1)`.
    pub(super) async fn ended(&self, name: &str, end: End) -> Seq {
        let claim = self.run(name).await;
        self.end(claim, end).await;
        claim.job
    }

    /// A new job that waits for its check at `at(60)`, kept by [`Lab::worker`].
    pub(super) async fn parked(&self, name: &str) -> Claim {
        let claim = self.run(name).await;
        let end = End::CheckAgain {
            at: at(60),
            every: secs(60),
        };
        self.end(claim, end).await;
        claim
    }

    pub(super) async fn write(&self, write: Write) -> Written {
        let mut written = self.store.write(vec![write]).await.expect("write");
        assert_eq!(written.len(), 1, "an answer for each write");
        written.remove(0)
    }

    pub(super) async fn done(&self, write: Write) -> Done {
        done(self.write(write).await)
    }

    /// Ends a run at `at(1)`.
    pub(super) async fn end(&self, claim: Claim, end: End) -> Done {
        self.done(Write {
            end: Some(end),
            ..Write::new(claim, at(1))
        })
        .await
    }

    pub(super) async fn ask(&self, request: Request, name: &str, now: Timestamp) -> Asked {
        let asked = self.store.ask(request, Some(""), vec![id(name)], now).await;
        let mut asked = asked.expect("ask");
        assert_eq!(asked.len(), 1, "an answer for each id");
        asked.remove(0)
    }

    /// The job that an allowed request is answered with.
    pub(super) async fn allowed(&self, request: Request, name: &str, now: Timestamp) -> Job {
        match self.ask(request, name, now).await {
            Asked::Done(job) => *job,
            other => panic!("{request:?} of {name} is allowed, not {other:?}"),
        }
    }

    /// Sees that a request is refused for the job's state and changes nothing.
    pub(super) async fn refused(&self, request: Request, seq: Seq, now: Timestamp) {
        let before = snapshot(self.store, seq).await;
        let job = self.get(seq).await;
        match self.ask(request, job.id.as_str(), now).await {
            Asked::Illegal(illegal) => assert_eq!(illegal.state, job.state(), "the state it names"),
            other => panic!(
                "{request:?} of a {} job is refused, not {other:?}",
                job.state()
            ),
        }
        assert_eq!(snapshot(self.store, seq).await, before, "nothing changed");
    }

    pub(super) async fn get(&self, seq: Seq) -> Job {
        self.detail(seq).await.job
    }

    pub(super) async fn detail(&self, seq: Seq) -> Detail {
        let detail = self.store.detail(seq).await.expect("detail");
        detail.expect("the job is there")
    }

    pub(super) async fn state(&self, seq: Seq) -> State {
        self.get(seq).await.state()
    }

    /// Ids of all jobs that a filter shows, newest first.
    pub(super) async fn ids(&self, filter: &Filter) -> Vec<String> {
        let jobs = self.store.jobs(filter, None, ALL).await.expect("jobs");
        jobs.iter().map(|job| job.id.to_string()).collect()
    }

    /// A worker's end without a word, noticed at `now`.
    pub(super) async fn die(&self, worker: &WorkerId, now: Timestamp) -> Vec<Job> {
        self.store.leave(worker).await.expect("leave");
        self.store.rescue(now).await.expect("rescue")
    }

    pub(super) async fn join(&self, name: &str) -> WorkerId {
        let worker = worker(name);
        let joined = self.store.join(&worker, Some(secs(30)), at(0)).await;
        joined.expect("join");
        worker
    }
}

/// A request for all due jobs of [`QUEUE`].
pub(super) fn request(worker: &WorkerId, now: Timestamp) -> ClaimRequest {
    ClaimRequest {
        worker: worker.clone(),
        now,
        slots: vec![(QUEUE.to_owned(), 100_000)],
        kinds: vec![KIND.to_owned(), OTHER.to_owned()],
    }
}

/// The right to write that came with a job.
pub(super) fn held(claimed: &Claimed) -> Claim {
    Claim {
        job: claimed.job.seq,
        number: claimed.job.claim,
    }
}

/// Ids of claimed jobs, in order.
pub(super) fn names(claimed: &[Claimed]) -> Vec<&str> {
    claimed.iter().map(|one| one.job.id.as_str()).collect()
}

/// The answer to a write that must be done.
pub(super) fn done(written: Written) -> Done {
    match written {
        Written::Done {
            state,
            revision,
            cancel_requested,
            jobs,
            first_line,
        } => Done {
            state,
            revision,
            cancel_requested,
            jobs,
            first_line,
        },
        other => panic!("the write is done, not {other:?}"),
    }
}
