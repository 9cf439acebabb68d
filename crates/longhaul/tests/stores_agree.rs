//! The store in memory, which is obviously right, and the one in a SQLite file answer the same to the same random
//! commands, and hold the same after each.
//!
//! `PROPTEST_CASES` says how many sequences of commands are tried; without it a few.

use std::{env, fmt::Debug, time::Duration};

use longhaul::{
    Store,
    model::{Claim, Limits, Seq, Status, WorkerId},
    store::{
        ClaimRequest, End, Error, Filter, IDEMPOTENCY, Insert, ItemWrite, Kind, LogWrite, Request,
        SqliteStore, StoredArtifact, Sweep, Write, Written, sqlite::Options,
    },
    testing::{
        MemoryStore,
        conformance::{all_jobs, snapshot, sound},
    },
    types::{
        ErrorCode, ItemState, JobError, JobId, Labels, Level, Progress, Reason, State, Timestamp,
        body::Artifact,
    },
};
use proptest::{
    collection::vec,
    option,
    prelude::*,
    sample::{Index, select},
};

/// Sequences of commands that are tried unless the environment says otherwise.
const CASES: u32 = 8;

const OWNERS: [&str; 2] = ["", "anna"];
/// The last is never declared.
const KINDS: [&str; 3] = ["one", "two", "unknown"];
const QUEUES: [&str; 2] = ["day", "night"];
const WORKERS: [&str; 3] = ["first", "second", "third"];
const KEYS: [&str; 2] = ["k", "l"];
const NAMES: [&str; 4] = ["w", "x", "y", "z"];

fn limits() -> Limits {
    Limits {
        log_lines: 10,
        queue_depth: 6,
        ..Limits::default()
    }
}

/// A time relative to the moment at which its command is done.
type Ahead = Duration;

#[derive(Clone, Debug)]
enum Command {
    Advance(Duration),
    Declare(&'static str, Duration),
    Join(&'static str, Option<Duration>),
    Leave(&'static str),
    Heartbeat(&'static str),
    Insert(Vec<NewJob>),
    Claim(Claimer),
    Write(Vec<Report>),
    Rescue,
    Expire,
    Ask(Request, Option<&'static str>, Vec<Index>),
    Jobs(Selection),
    Sweep(Vec<Part>),
}

#[derive(Clone, Debug)]
struct Claimer {
    worker: &'static str,
    /// Whether it joins before, without a lease.
    joins: bool,
    slots: Vec<(&'static str, u32)>,
    kinds: Vec<&'static str>,
}

#[derive(Clone, Debug)]
struct NewJob {
    /// Which of the ids that were ever used; another one when none.
    id: Option<Index>,
    owner: &'static str,
    kind: &'static str,
    queue: &'static str,
    priority: i16,
    start: (Reason, Ahead),
    label: Option<&'static str>,
    unique_key: Option<&'static str>,
    idempotency_key: Option<&'static str>,
    timeout: Option<Duration>,
}

#[derive(Clone, Debug)]
struct Report {
    /// Whether it is under a claim that holds its job, and which of those, or of all that were ever given.
    held: bool,
    claim: Index,
    progress: Option<u64>,
    checkpoint: Option<u8>,
    items: Vec<(&'static str, ItemState)>,
    lines: usize,
    artifact: Option<&'static str>,
    jobs: Vec<NewJob>,
    end: Option<Ending>,
}

#[derive(Clone, Debug)]
enum Ending {
    Complete(Option<u8>),
    Fail,
    Retry(Ahead),
    CheckAgain(Ahead, Duration),
    Release(Ahead),
    Cancelled,
}

#[derive(Clone, Debug)]
struct Selection {
    owner: Option<&'static str>,
    states: Vec<State>,
    kinds: Vec<&'static str>,
    queues: Vec<&'static str>,
    label: Option<&'static str>,
    before: Option<Index>,
    limit: usize,
}

#[derive(Clone, Debug)]
struct Part {
    /// Which of the jobs that there ever were.
    job: Index,
    parts: [bool; 4],
    next: Option<Ahead>,
}

fn ahead() -> impl Strategy<Value = Duration> {
    select(vec![0, 1, 20, 30, 31, 60, 3_600]).prop_map(Duration::from_secs)
}

fn new_job() -> impl Strategy<Value = NewJob> {
    let start = prop_oneof![
        4 => Just((Reason::New, Duration::ZERO)),
        1 => Just((Reason::Held, Duration::ZERO)),
        1 => ahead().prop_map(|ahead| (Reason::Scheduled, ahead)),
    ];
    let kind = prop_oneof![20 => select(&KINDS[..2]), 1 => Just(KINDS[2])];
    let owner = prop_oneof![3 => Just(OWNERS[0]), 1 => Just(OWNERS[1])];
    let id = option::weighted(0.1, any::<Index>());
    let names = (id, owner, kind, select(&QUEUES[..]));
    let keys = (
        option::weighted(0.3, select(&NAMES[..])),
        option::weighted(0.3, select(&KEYS[..])),
        option::weighted(0.2, select(&KEYS[..])),
    );
    let timeout = option::weighted(0.3, ahead());
    (names, -1..2_i16, start, keys, timeout).prop_map(
        |(
            (id, owner, kind, queue),
            priority,
            start,
            (label, unique_key, idempotency_key),
            timeout,
        )| {
            NewJob {
                id,
                owner,
                kind,
                queue,
                priority,
                start,
                label,
                unique_key,
                idempotency_key,
                timeout,
            }
        },
    )
}

fn ending() -> impl Strategy<Value = Ending> {
    prop_oneof![
        2 => option::of(any::<u8>()).prop_map(Ending::Complete),
        2 => Just(Ending::Fail),
        2 => ahead().prop_map(Ending::Retry),
        3 => (ahead(), ahead()).prop_map(|(at, every)| Ending::CheckAgain(at, every)),
        1 => ahead().prop_map(Ending::Release),
        1 => Just(Ending::Cancelled),
    ]
}

fn report() -> impl Strategy<Value = Report> {
    let items = vec((select(&NAMES[..]), select(&ItemState::ALL[..])), 0..4);
    let rest = (0..9_usize, option::weighted(0.3, select(&NAMES[..])));
    (
        (proptest::bool::weighted(0.9), any::<Index>()),
        option::of(any::<u64>()),
        option::weighted(0.3, any::<u8>()),
        items,
        rest,
        prop_oneof![3 => Just(Vec::new()), 1 => vec(new_job(), 1..3)],
        option::weighted(0.6, ending()),
    )
        .prop_map(
            |((held, claim), progress, checkpoint, items, (lines, artifact), jobs, end)| Report {
                held,
                claim,
                progress,
                checkpoint,
                items,
                lines,
                artifact,
                jobs,
                end,
            },
        )
}

fn selection() -> impl Strategy<Value = Selection> {
    (
        option::of(select(&OWNERS[..])),
        vec(select(&State::ALL[..]), 0..3),
        vec(select(&KINDS[..]), 0..3),
        vec(select(&QUEUES[..]), 0..2),
        option::weighted(0.3, select(&NAMES[..])),
        option::of(any::<Index>()),
        0..9_usize,
    )
        .prop_map(
            |(owner, states, kinds, queues, label, before, limit)| Selection {
                owner,
                states,
                kinds,
                queues,
                label,
                before,
                limit,
            },
        )
}

fn command() -> impl Strategy<Value = Command> {
    let worker = || prop_oneof![4 => Just(WORKERS[0]), 1 => select(&WORKERS[..])];
    let pause = prop_oneof![
        6 => ahead(),
        1 => Just(IDEMPOTENCY.saturating_sub(Duration::from_secs(1))),
        1 => Just(Duration::from_hours(8 * 24)),
    ];
    let lease = option::weighted(0.6, Just(Duration::from_secs(30)));
    let slots = vec((select(&QUEUES[..]), 0..5_u32), 1..4);
    let kinds = prop_oneof![
        4 => Just(KINDS[..2].to_vec()),
        1 => vec(select(&KINDS[..]), 0..2),
    ];
    let claimer = (worker(), proptest::bool::weighted(0.8), slots, kinds).prop_map(
        |(worker, joins, slots, kinds)| Claimer {
            worker,
            joins,
            slots,
            kinds,
        },
    );
    let requests = [
        Request::Cancel,
        Request::Retry,
        Request::Start,
        Request::Remove,
    ];
    let asked = (
        select(requests.to_vec()),
        option::weighted(0.3, select(&OWNERS[..])),
        vec(any::<Index>(), 1..4),
    );
    let part = (any::<Index>(), any::<[bool; 4]>(), option::of(ahead()));
    let part = part.prop_map(|(job, parts, next)| Part { job, parts, next });
    prop_oneof![
        4 => pause.prop_map(Command::Advance),
        1 => (select(&KINDS[..2]), ahead()).prop_map(|(kind, after)| Command::Declare(kind, after)),
        4 => (worker(), lease).prop_map(|(worker, lease)| Command::Join(worker, lease)),
        1 => worker().prop_map(Command::Leave),
        3 => worker().prop_map(Command::Heartbeat),
        12 => vec(new_job(), 1..4).prop_map(Command::Insert),
        10 => claimer.prop_map(Command::Claim),
        20 => vec(report(), 1..3).prop_map(Command::Write),
        3 => Just(Command::Rescue),
        3 => Just(Command::Expire),
        8 => asked.prop_map(|(request, owner, ids)| Command::Ask(request, owner, ids)),
        2 => selection().prop_map(Command::Jobs),
        2 => vec(part, 1..3).prop_map(Command::Sweep),
    ]
}

/// What is known so far, from the answers that both stores gave.
struct Known {
    now: Timestamp,
    /// Every claim that was given, and those that hold their jobs.
    claims: Vec<Claim>,
    held: Vec<Claim>,
    jobs: Vec<Seq>,
    /// Every id that a submission named.
    ids: Vec<JobId>,
}

impl Known {
    fn insert(&self, job: &NewJob, number: usize) -> Insert {
        let (reason, ahead) = job.start;
        let labels = job.label.map(|label| ("of".to_owned(), label.to_owned()));
        Insert {
            id: job
                .id
                .map_or_else(|| fresh(self.ids.len(), number), |which| self.id(which)),
            owner: job.owner.to_owned(),
            kind: job.kind.to_owned(),
            queue: job.queue.to_owned(),
            priority: job.priority,
            args_version: 1,
            args: format!("{{\"made at\": {}}}", self.now.0),
            labels: labels.into_iter().collect(),
            reason,
            run_at: (reason != Reason::Held).then(|| self.now + ahead),
            unique_key: job.unique_key.map(str::to_owned),
            idempotency_key: job.idempotency_key.map(str::to_owned),
            max_attempts: 3,
            attempt_timeout: None,
            timeout: job.timeout,
            created_at: self.now,
        }
    }

    fn id(&self, which: Index) -> JobId {
        if self.ids.is_empty() {
            return fresh(0, 0);
        }
        self.ids[which.index(self.ids.len())].clone()
    }

    fn inserts(&self, jobs: &[NewJob]) -> Vec<Insert> {
        jobs.iter()
            .zip(0..)
            .map(|(job, number)| self.insert(job, number))
            .collect()
    }

    fn claim(&self, report: &Report) -> Claim {
        let claims = if report.held {
            &self.held
        } else {
            &self.claims
        };
        if claims.is_empty() {
            return Claim { job: 1, number: 1 };
        }
        claims[report.claim.index(claims.len())]
    }

    fn job(&self, which: Index) -> Seq {
        if self.jobs.is_empty() {
            return 1;
        }
        self.jobs[which.index(self.jobs.len())]
    }

    fn write(&self, report: &Report) -> Write {
        let claim = self.claim(report);
        let items = report.items.iter().map(|(name, state)| item(name, *state));
        let line = |n| LogWrite {
            time: self.now,
            level: Level::Info,
            text: format!("line {n}"),
        };
        Write {
            progress: report.progress.map(|current| Progress {
                current,
                ..Progress::default()
            }),
            checkpoint: report.checkpoint.map(|at| at.to_string()),
            items: items.collect(),
            log: (0..report.lines).map(line).collect(),
            artifacts: report
                .artifact
                .map(|name| artifact(name, claim, self.now))
                .into_iter()
                .collect(),
            jobs: self.inserts(&report.jobs),
            end: report.end.as_ref().map(|end| self.end(end)),
            ..Write::new(claim, self.now)
        }
    }

    fn end(&self, ending: &Ending) -> End {
        let error = JobError::new(ErrorCode::HandlerFailed, self.now.to_string());
        match ending {
            Ending::Complete(result) => End::Complete {
                result: result.map(|result| result.to_string()),
            },
            Ending::Fail => End::Fail { error },
            Ending::Retry(ahead) => End::Retry {
                at: self.now + *ahead,
                error,
            },
            Ending::CheckAgain(ahead, every) => End::CheckAgain {
                at: self.now + *ahead,
                every: *every,
            },
            Ending::Release(ahead) => End::Release {
                at: self.now + *ahead,
            },
            Ending::Cancelled => End::Cancelled,
        }
    }

    fn note_ids(&mut self, command: &Command) {
        let inserts = match command {
            Command::Insert(new) => self.inserts(new),
            Command::Write(reports) => {
                let jobs = reports.iter().map(|report| self.inserts(&report.jobs));
                jobs.flatten().collect()
            }
            _ => Vec::new(),
        };
        self.ids.extend(inserts.into_iter().map(|insert| insert.id));
    }

    fn sweep(&self, part: &Part) -> Sweep {
        let [row, log, result, progress] = part.parts;
        Sweep {
            seq: self.job(part.job),
            row,
            log,
            result,
            progress,
            next: part.next.map(|ahead| self.now + ahead),
        }
    }
}

fn fresh(call: usize, number: usize) -> JobId {
    format!("{call}-{number}").parse().expect("an id")
}

fn item(name: &str, state: ItemState) -> ItemWrite {
    ItemWrite {
        name: name.to_owned(),
        state,
        attempts: 2,
        error: (state == ItemState::Failed)
            .then(|| JobError::new(ErrorCode::HandlerFailed, "no such part")),
        result: (state == ItemState::Completed).then(|| format!("\"{name}\"")),
    }
}

fn artifact(name: &str, claim: Claim, now: Timestamp) -> StoredArtifact {
    StoredArtifact {
        artifact: Artifact {
            name: name.to_owned(),
            size: claim.number,
            sha256: "0".repeat(64),
            content_type: "text/plain".to_owned(),
            created_at: now,
        },
        location: format!("{}/{}/{name}", claim.job, claim.number),
    }
}

fn texts(names: &[&str]) -> Vec<String> {
    names.iter().map(|name| (*name).to_owned()).collect()
}

fn filter(selection: &Selection) -> Filter {
    let label = selection
        .label
        .map(|label| ("of".to_owned(), label.to_owned()));
    Filter {
        owner: selection.owner.map(str::to_owned),
        states: selection.states.clone(),
        kinds: texts(&selection.kinds),
        queues: texts(&selection.queues),
        labels: label.into_iter().collect::<Labels>(),
    }
}

fn said<T: Debug>(answer: &Result<T, Error>) -> String {
    format!("{answer:#?}")
}

/// What a store answers to a command, as text, and the claims and jobs that it names.
async fn answer(
    store: &dyn Store,
    command: &Command,
    known: &Known,
) -> (String, Vec<Claim>, Vec<Seq>) {
    let now = known.now;
    let (mut claims, mut jobs) = (Vec::new(), Vec::new());
    let text = match command {
        Command::Advance(_) => String::new(),
        Command::Declare(name, sweep_after) => {
            let kind = Kind {
                sweep_after: *sweep_after,
                ..Kind::new(*name)
            };
            said(&store.declare(vec![kind]).await)
        }
        Command::Join(name, lease) => said(&store.join(&WorkerId::named(*name), *lease, now).await),
        Command::Leave(name) => said(&store.leave(&WorkerId::named(*name)).await),
        Command::Heartbeat(name) => said(&store.heartbeat(&WorkerId::named(*name), now).await),
        Command::Insert(new) => {
            let inserted = store.insert(known.inserts(new)).await;
            jobs.extend(inserted.iter().flatten().map(|one| one.seq));
            said(&inserted)
        }
        Command::Claim(by) => {
            let worker = WorkerId::named(by.worker);
            if by.joins {
                store.join(&worker, None, now).await.expect("join");
            }
            let slots = by
                .slots
                .iter()
                .map(|(queue, free)| ((*queue).to_owned(), *free));
            let request = ClaimRequest {
                worker,
                now,
                slots: slots.collect(),
                kinds: texts(&by.kinds),
            };
            let claimed = store.claim(request).await;
            claims.extend(claimed.iter().flatten().map(|one| Claim {
                job: one.job.seq,
                number: one.job.claim,
            }));
            said(&claimed)
        }
        Command::Write(reports) => {
            let writes = reports.iter().map(|report| known.write(report)).collect();
            let mut written = store.write(writes).await;
            for one in written.iter_mut().flatten() {
                match one {
                    Written::Done { jobs: new, .. } => jobs.extend(new.iter().map(|one| one.seq)),
                    Written::ClaimLost => {}
                    // In which words is the store's own.
                    Written::Refused(why) => why.clear(),
                }
            }
            said(&written)
        }
        Command::Rescue => said(&store.rescue(now).await),
        Command::Expire => said(&store.expire(now).await),
        Command::Ask(request, owner, ids) => {
            let ids = ids.iter().map(|which| known.id(*which)).collect();
            said(&store.ask(*request, *owner, ids, now).await)
        }
        Command::Jobs(selection) => {
            let before = selection.before.map(|which| known.job(which));
            said(
                &store
                    .jobs(&filter(selection), before, selection.limit)
                    .await,
            )
        }
        Command::Sweep(parts) => {
            let sweeps = parts.iter().map(|part| known.sweep(part)).collect();
            let mut places = store.sweep(sweeps).await;
            if let Ok(places) = &mut places {
                places.sort();
            }
            said(&places)
        }
    };
    (text, claims, jobs)
}

/// All that a store holds, as text.
async fn holds(store: &dyn Store, now: Timestamp) -> String {
    let mut text = said(&store.kinds().await);
    for name in WORKERS {
        let mut held = store.held(&WorkerId::named(name)).await;
        if let Ok(held) = &mut held {
            held.sort_unstable();
        }
        text += &said(&held);
    }
    text += &said(&store.next_due(now).await);
    let mut due = store.sweepable(now, 99).await;
    if let Ok(due) = &mut due {
        due.sort_by_key(|due| due.seq);
    }
    text += &said(&due);
    for job in all_jobs(store).await {
        text += &format!("{:#?}", snapshot(store, job.seq).await);
        let tail = store.log_tail(job.seq, 3).await;
        let failed = store
            .items(job.seq, Some(ItemState::Failed), Some(0), 2)
            .await;
        text += &(said(&tail) + &said(&failed));
    }
    text
}

/// The claims that hold their jobs now.
async fn held(store: &dyn Store) -> Vec<Claim> {
    let jobs = all_jobs(store).await.into_iter();
    let held = jobs.filter(|job| match &job.status {
        Status::Pending { worker, .. } => worker.is_some(),
        Status::Running { .. } => true,
        Status::Ended { .. } => false,
    });
    let claims = held.map(|job| Claim {
        job: job.seq,
        number: job.claim,
    });
    claims.collect()
}

/// Sees that both stores say the same, or shows where they first differ.
fn see_same(model: &str, other: &str, of: impl Fn() -> String) -> Result<(), TestCaseError> {
    if model == other {
        return Ok(());
    }
    let same = model
        .lines()
        .zip(other.lines())
        .take_while(|(one, two)| one == two);
    let from = same.count();
    let part = |text: &str| -> String {
        let lines = text.lines().skip(from.saturating_sub(12)).take(20);
        lines.map(|line| format!("  {line}\n")).collect()
    };
    let (model, other) = (part(model), part(other));
    Err(TestCaseError::fail(format!(
        "{}\nmodel:\n{model}other:\n{other}",
        of()
    )))
}

/// Does the commands on both stores and compares.
async fn agree(
    model: &dyn Store,
    other: &dyn Store,
    commands: &[Command],
) -> Result<(), TestCaseError> {
    let mut known = Known {
        now: Timestamp(1_700_000_000_000),
        claims: Vec::new(),
        held: Vec::new(),
        jobs: Vec::new(),
        ids: Vec::new(),
    };
    for store in [model, other] {
        let kinds = KINDS[..2].iter().map(|name| Kind::new(*name)).collect();
        store.declare(kinds).await.expect("declare");
        let worker = WorkerId::named(WORKERS[0]);
        store.join(&worker, None, known.now).await.expect("join");
    }
    for (n, command) in commands.iter().enumerate() {
        if let Command::Advance(pause) = command {
            known.now = known.now + *pause;
        }
        let (said, claims, jobs) = answer(model, command, &known).await;
        let (other_said, ..) = answer(other, command, &known).await;
        see_same(&said, &other_said, || {
            format!("answers to command {n}: {command:?}")
        })?;
        known.note_ids(command);
        known.claims.extend(claims);
        known.jobs.extend(jobs);
        known.held = held(model).await;
        let (all, other_all) = (holds(model, known.now).await, holds(other, known.now).await);
        see_same(&all, &other_all, || {
            format!("held after command {n}: {command:?}")
        })?;
    }
    sound(model).await;
    sound(other).await;
    Ok(())
}

fn config() -> ProptestConfig {
    let mut config = ProptestConfig {
        failure_persistence: None,
        max_shrink_iters: 500,
        ..ProptestConfig::default()
    };
    if env::var_os("PROPTEST_CASES").is_none() {
        config.cases = CASES;
    }
    config
}

proptest! {
    #![proptest_config(config())]

    #[test]
    fn memory_and_sqlite_agree(commands in vec(command(), 20..80)) {
        let folder = tempfile::tempdir().expect("a folder");
        let runtime = tokio::runtime::Builder::new_current_thread().build().expect("a runtime");
        let model = MemoryStore::new(&limits());
        let other = SqliteStore::open(folder.path().join("jobs.db"), &Options::with_limits(&limits()));
        let other = other.expect("a store");
        runtime.block_on(agree(&model, &other, &commands))?;
    }
}
