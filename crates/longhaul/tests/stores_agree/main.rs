//! The store in memory, which is obviously right, and those in a SQLite file and in a PostgreSQL database answer the same to
//! the same random commands, and hold the same after each.
//!
//! `PROPTEST_CASES` says how many sequences of commands are tried; without it a few.

mod commands;
mod known;
#[cfg(feature = "postgres")]
#[path = "../postgres/server.rs"]
#[allow(dead_code, reason = "each of those who start one uses a part")]
mod server;

use std::{env, fmt::Debug, time::Duration};

use longhaul::{
    Store,
    model::{Claim, Limits, Schedule, Seq, Status, WorkerId},
    store::{
        Asked, ClaimRequest, Claimed, Error, FailureGroup, Filter, Fire, Fired, Insert, Kind,
        PageRequest, PutSchedule, Request, SqliteStore, Written, sqlite::Options,
    },
    testing::{
        MemoryStore,
        conformance::{all_jobs, snapshot, sound},
    },
    types::{ItemState, JobId, Labels, Reason, Timestamp, filter::Period},
};
use proptest::{collection::vec, prelude::*};

use commands::{Claimer, Command, KINDS, Place, Report, Selection, WORKERS, command};
use known::Known;

/// What is compared of a refusal whose reason is the store's choice.
const REFUSED: &str = "refused";

/// Sequences of commands that are tried unless the environment says otherwise.
const CASES: u32 = 8;

fn limits() -> Limits {
    Limits {
        log_lines: 10,
        queue_depth: 6,
        owner_disk: 4,
        ..Limits::default()
    }
}

fn texts(names: &[&str]) -> Vec<String> {
    names.iter().map(|name| (*name).to_owned()).collect()
}

fn filter(selection: &Selection, now: Timestamp) -> Filter {
    let period = |[after, before]: [Option<Duration>; 2]| Period {
        after: after.map(|ago| now - ago),
        before: before.map(|ago| now - ago),
    };
    let label = selection
        .label
        .map(|label| ("of".to_owned(), label.to_owned()));
    Filter {
        owner: selection.owner.map(str::to_owned),
        states: selection.states.clone(),
        kinds: texts(&selection.kinds),
        queues: texts(&selection.queues),
        labels: label.into_iter().collect::<Labels>(),
        begun: selection.begun,
        errors: selection.error.into_iter().map(str::to_owned).collect(),
        text: texts(&selection.text),
        created: period(selection.created),
        ended: period(selection.ended),
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
            let mut kind = Kind::new(*name);
            kind.retention.log = *sweep_after;
            said(&store.declare(vec![kind]).await)
        }
        Command::Join(name, lease) => said(&store.join(&WorkerId::named(*name), *lease, now).await),
        Command::Introduce(name) => {
            let about = format!("{{\"at\":{}}}", now.0);
            said(&store.introduce(&WorkerId::named(*name), about).await)
        }
        Command::ExtendLeases => said(&store.extend_leases(now).await),
        Command::Members(jobs) => said(&store.members(*jobs).await),
        Command::Leave(name) => said(&store.leave(&WorkerId::named(*name)).await),
        Command::Heartbeat(name) => said(&store.heartbeat(&WorkerId::named(*name), now).await),
        Command::Insert(new) => {
            let inserted = store.insert(known.inserts(new)).await;
            jobs.extend(inserted.iter().flatten().map(|one| one.seq));
            match inserted {
                // Of several reasons a store may name any.
                Err(_) if new.len() > 1 => REFUSED.to_owned(),
                _ => said(&inserted),
            }
        }
        Command::Claim(by) => {
            let claimed = claim(store, by, now).await;
            claims.extend(claimed.iter().flatten().map(|one| Claim {
                job: one.job.seq,
                number: one.job.claim,
            }));
            said(&claimed)
        }
        Command::Write(reports) => {
            let written = write(store, reports, known).await;
            for one in written.iter().flatten() {
                if let Written::Done { jobs: new, .. } = one {
                    jobs.extend(new.iter().map(|one| one.seq));
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
        Command::Pause(queue) => said(&store.pause(queue, now).await),
        Command::Resume(queue) => said(&store.resume(queue).await),
        Command::Jobs(selection) => {
            let filter = filter(selection, now);
            let request = PageRequest {
                before: selection.before.map(|which| known.job(which)),
                skip: selection.skip,
                limit: selection.limit,
            };
            let page = said(&store.page(&filter, &request).await);
            let total = said(&store.count(&filter).await);
            page + &total + &said(&store.waiting(now).await)
        }
        Command::Sweep(parts) => {
            let sweeps = parts.iter().map(|part| known.sweep(part)).collect();
            let mut places = store.sweep(sweeps).await;
            if let Ok(places) = &mut places {
                places.sort();
            }
            said(&places)
        }
        Command::PutSchedule(place, kind, ahead, paused) => {
            let every = Schedule::every(
                place.name,
                Duration::from_mins(1),
                longhaul::NewJob::raw(*kind, "{}"),
            );
            let schedule = Schedule {
                owner: place.owner.to_owned(),
                ..every.paused(*paused)
            };
            put_schedule(store, place, schedule, now + *ahead, now).await
        }
        Command::RemoveSchedule(place) => {
            said(&store.remove_schedule(place.owner, place.name).await)
        }
        Command::Fire(place, new, ahead) => {
            let fired = fire(store, place, known.inserts(new), *ahead, now).await;
            if let Ok([Fired::Done(inserted)]) = fired.as_deref() {
                jobs.extend(inserted.iter().map(|one| one.seq));
            }
            said(&fired)
        }
    };
    (text, claims, jobs)
}

async fn put_schedule(
    store: &dyn Store,
    place: &Place,
    schedule: Schedule,
    next_at: Timestamp,
    now: Timestamp,
) -> String {
    let put = PutSchedule {
        schedule,
        next_at: Some(next_at),
        replaces: revision(store, place).await,
        most: 3,
        now,
    };
    said(&store.put_schedule(put).await)
}

async fn fire(
    store: &dyn Store,
    place: &Place,
    inserts: Vec<Insert>,
    ahead: Option<Duration>,
    now: Timestamp,
) -> Result<Vec<Fired>, Error> {
    let fire = Fire {
        owner: place.owner.to_owned(),
        name: place.name.to_owned(),
        revision: revision(store, place).await.unwrap_or(7),
        jobs: inserts.into_iter().map(|insert| (now, insert)).collect(),
        next_at: ahead.map(|ahead| now + ahead),
        look_at: ahead.map(|ahead| now + ahead),
        missed: 1,
        error: None,
    };
    let mut fired = store.fire(vec![fire]).await;
    if let Ok([Fired::Refused(why)]) = fired.as_deref_mut() {
        REFUSED.clone_into(why);
    }
    fired
}

/// The revision that a schedule has, or one that it has not.
async fn revision(store: &dyn Store, place: &Place) -> Option<u64> {
    let found = store.schedule(Some(place.owner), place.name).await;
    let revision = found.expect("read").map(|one| one.revision);
    revision.map(|revision| {
        if place.current {
            revision
        } else {
            revision + 1
        }
    })
}

async fn claim(store: &dyn Store, by: &Claimer, now: Timestamp) -> Result<Vec<Claimed>, Error> {
    let worker = WorkerId::named(by.worker);
    if by.joins {
        store.join(&worker, None, now).await.expect("join");
    }
    let slots = by.slots.iter();
    let request = ClaimRequest {
        worker,
        now,
        slots: slots
            .map(|(queue, free)| ((*queue).to_owned(), *free))
            .collect(),
        kinds: texts(&by.kinds),
    };
    store.claim(request).await
}

/// In which words a write is refused is the store's own.
async fn write(
    store: &dyn Store,
    reports: &[Report],
    known: &Known,
) -> Result<Vec<Written>, Error> {
    let writes = reports.iter().map(|report| known.write(report)).collect();
    let mut written = store.write(writes).await;
    for one in written.iter_mut().flatten() {
        if let Written::Refused(why) = one {
            *why = Error::Internal(REFUSED.to_owned());
        }
    }
    written
}

/// All that a store holds, as text.
async fn holds(store: &dyn Store, now: Timestamp) -> String {
    let mut text = said(&store.kinds().await);
    text += &said(&store.paused().await);
    text += &said(&store.schedules(None, None, 99).await);
    text += &said(&store.schedules(Some(""), Some(("w", "")), 99).await);
    text += &said(&store.schedule(None, "w").await);
    text += &said(&store.next_schedule().await);
    let mut due = store.due_schedules(now, 99).await;
    if let Ok(due) = &mut due {
        due.sort_by_key(|one| (one.schedule.name.clone(), one.schedule.owner.clone()));
    }
    text += &said(&due);
    let mut failures = store.failures(None).await;
    if let Ok(failures) = &mut failures {
        let key = |group: &FailureGroup| (group.kind.clone(), group.code.clone());
        failures.groups.sort_by_key(key);
    }
    text += &said(&failures);
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

/// A refused submission may leave a gap in the numbers of jobs, as wide as the store likes: uses up numbers in the store
/// that is behind, until both go on with the same.
async fn align(model: &dyn Store, other: &dyn Store, now: Timestamp) {
    let (mut at, mut other_at) = (use_up(model, now).await, use_up(other, now).await);
    while at != other_at {
        if at < other_at {
            at = use_up(model, now).await;
        } else {
            other_at = use_up(other, now).await;
        }
    }
}

/// Inserts and removes a job, and tells its number.
async fn use_up(store: &dyn Store, now: Timestamp) -> Seq {
    let id: JobId = "aligns".parse().expect("an id");
    let job = Insert {
        id: id.clone(),
        owner: "aligns".to_owned(),
        kind: KINDS[0].to_owned(),
        queue: "aligns".to_owned(),
        priority: 0,
        args_version: 1,
        args: "{}".to_owned(),
        labels: Labels::new(),
        reason: Reason::Held,
        run_at: None,
        unique_key: None,
        idempotency_key: None,
        max_attempts: 1,
        attempt_timeout: None,
        timeout: None,
        follow_ups: Vec::new(),
        created_at: now,
    };
    let inserted = store.insert(vec![job]).await.expect("insert");
    for request in [Request::Cancel, Request::Remove] {
        let asked = store.ask(request, None, vec![id.clone()], now).await;
        assert!(matches!(asked.expect("ask")[0], Asked::Done(_)));
    }
    inserted[0].seq
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
    known: &mut Known,
) -> Result<(), TestCaseError> {
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
        let (said, claims, jobs) = answer(model, command, known).await;
        let (other_said, ..) = answer(other, command, known).await;
        see_same(&said, &other_said, || {
            format!("answers to command {n}: {command:?}")
        })?;
        if said.contains(REFUSED) || said.starts_with("Err") {
            align(model, other, known.now).await;
        }
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

/// Has every job wait that a worker holds.
#[cfg(feature = "postgres")]
async fn rescue_all(store: &MemoryStore, by: &WorkerId, now: Timestamp) {
    for member in store.members(0).await.expect("members") {
        store.leave(&member.worker).await.expect("left");
    }
    store.join(by, None, now).await.expect("joined");
    while !store.rescue(now).await.expect("rescued").is_empty() {}
    store.leave(by).await.expect("left");
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
        runtime.block_on(agree(&model, &other, &commands, &mut Known::new()))?;
    }

    #[cfg(feature = "postgres")]
    #[test]
    fn memory_and_postgres_agree(commands in vec(command(), 20..80)) {
        use longhaul::store::{PostgresStore, postgres};

        let server = server::Server::start();
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().expect("a runtime");
        let model = MemoryStore::new(&limits());
        let options = postgres::Options {
            lease_clock: postgres::LeaseClock::Caller,
            ..postgres::Options::with_limits(&limits())
        };
        runtime.block_on(async {
            let other = PostgresStore::connect(server.url(), &options).await.expect("a store");
            agree(&model, &other, &commands, &mut Known::new()).await
        })?;
    }

    /// What has moved from SQLite is as it was, and goes on so.
    #[cfg(feature = "postgres")]
    #[test]
    fn what_has_moved_agrees(before in vec(command(), 20..60), after in vec(command(), 10..30)) {
        use longhaul::{artifacts::Artifacts, migrate, store::{PostgresStore, postgres}};

        let (server, folder) = (server::Server::start(), tempfile::tempdir().expect("a folder"));
        let path = folder.path().join("jobs.db");
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().expect("a runtime");
        let model = MemoryStore::new(&limits());
        let options = postgres::Options {
            lease_clock: postgres::LeaseClock::Caller,
            ..postgres::Options::with_limits(&limits())
        };
        let files = Artifacts::folder(&folder.path().join("files")).expect("a folder");
        runtime.block_on(async {
            let old = SqliteStore::open(&path, &Options::with_limits(&limits())).expect("a store");
            let mut known = Known::new();
            agree(&model, &old, &before, &mut known).await?;
            let installation = old.installation().await.expect("a number");
            drop(old);
            let moved = migrate::to_postgres(&path, server.url(), &files, known.now, |_| {}).await;
            moved.expect("moved");
            // As it does to whoever held a job.
            let mover = WorkerId::new();
            rescue_all(&model, &mover, known.now).await;
            let other = PostgresStore::connect(server.url(), &options).await.expect("a store");
            prop_assert_eq!(other.installation().await.expect("a number"), installation);
            let (all, other_all) = (holds(&model, known.now).await, holds(&other, known.now).await);
            see_same(&all, &other_all, || "held after the move".to_owned())?;
            known.held.clear();
            agree(&model, &other, &after, &mut known).await
        })?;
    }
}
