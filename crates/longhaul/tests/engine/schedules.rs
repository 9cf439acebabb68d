//! Schedules of an engine whose clock is moved by hand.

use std::{
    collections::BTreeSet,
    sync::Arc,
    time::{Duration, Instant},
};

use longhaul::{
    Engine, Job, NewJob, Outcome, Store as _,
    clock::Clock as _,
    engine::{Builder, Error},
    model::{Limits, Schedule, Scheduled},
    store::Filter,
    testing::{MemoryStore, TestClock},
    types::{
        ErrorCode, State, Timestamp,
        schedule::{Missed, Overlap},
    },
};

use crate::support::{Bench, policy};

const KIND: &str = "test.script";

fn job() -> NewJob {
    NewJob::raw(KIND, "{}")
}

fn minutely() -> Schedule {
    Schedule::every("minutely", Duration::from_mins(1), job())
}

async fn bench(build: impl FnOnce(Builder) -> Builder) -> Bench {
    Bench::with(
        policy(),
        build,
        |run, _| async move { Ok(Outcome::Done(run)) },
    )
    .await
}

/// An engine whose jobs run until they are cancelled.
async fn busy() -> Bench {
    Bench::new(|_, job| async move { Err(job.stopped().await.into()) }).await
}

async fn jobs(store: &MemoryStore) -> Vec<Job> {
    let all = store.jobs(&Filter::default(), None, 100_000).await;
    all.expect("jobs")
}

async fn read(engine: &Engine, name: &str) -> Scheduled {
    engine.schedule(None, name).await.expect("the schedule")
}

/// Waits, without moving the clock, until a schedule is as wanted.
async fn until(engine: &Engine, name: &str, wanted: impl Fn(&Scheduled) -> bool) -> Scheduled {
    let deadline = Instant::now() + Duration::from_secs(10);
    loop {
        let now = read(engine, name).await;
        if wanted(&now) {
            return now;
        }
        assert!(Instant::now() < deadline, "still {now:?}");
        tokio::task::yield_now().await;
    }
}

/// Lets everybody look at the clock.
async fn settle() {
    for _ in 0..100 {
        tokio::task::yield_now().await;
    }
}

fn planned(jobs: &[Job]) -> BTreeSet<String> {
    jobs.iter().map(|job| job.id.to_string()).collect()
}

#[tokio::test]
async fn a_schedule_submits_its_jobs_in_time_and_they_run() {
    let bench = bench(|builder| builder.schedule(minutely())).await;
    let start = bench.clock.now();
    for minute in 1..=3_u32 {
        bench.clock.advance(Duration::from_secs(59));
        settle().await;
        assert_eq!(jobs(&bench.store).await.len(), minute as usize - 1, "early");
        bench.clock.advance(Duration::from_secs(1));
        until(&bench.engine, "minutely", |one| {
            one.submitted == u64::from(minute)
        })
        .await;
    }
    let now = read(&bench.engine, "minutely").await;
    assert_eq!(now.next_at, Some(start + Duration::from_mins(4)));
    assert_eq!(now.last.expect("a job").0, start + Duration::from_mins(3));
    let deadline = Instant::now() + Duration::from_secs(10);
    while bench.runs() < 3 {
        assert!(Instant::now() < deadline, "they run");
        tokio::task::yield_now().await;
    }
    let found = jobs(&bench.store).await;
    assert!(found.iter().all(|job| job.labels["schedule"] == "minutely"));
}

#[tokio::test]
async fn a_schedule_that_is_put_wakes_the_scheduler() {
    let bench = bench(|builder| builder).await;
    settle().await;
    let soon = minutely().starting(bench.clock.now() + Duration::from_secs(3));
    let put = bench.engine.put_schedule(soon).await.expect("put");
    assert_eq!(put.next_times(2).len(), 2);
    settle().await;
    bench.clock.advance(Duration::from_secs(3));
    until(&bench.engine, "minutely", |one| one.submitted == 1).await;
    bench
        .engine
        .remove_schedule(None, "minutely")
        .await
        .expect("removed");
    bench.clock.advance(Duration::from_mins(5));
    settle().await;
    assert_eq!(jobs(&bench.store).await.len(), 1);
}

#[tokio::test]
async fn two_engines_on_one_store_submit_each_time_once() {
    let store = Arc::new(MemoryStore::default());
    let clock = TestClock::default();
    let start = async || {
        Engine::on(store.clone())
            .clock(Arc::new(clock.clone()))
            .register_fn(KIND, |_: serde_json::Value, _| async {
                Ok(Outcome::Done(()))
            })
            .lease(Duration::from_hours(1))
            .schedule(minutely())
            .start()
            .await
            .expect("starts")
    };
    let (one, other) = (start().await, start().await);
    for minute in 1..=20 {
        clock.advance(Duration::from_mins(1));
        until(&one, "minutely", |one| one.submitted == minute).await;
        settle().await;
    }
    let now = read(&other, "minutely").await;
    assert_eq!((now.submitted, now.skipped, now.missed), (20, 0, 0));
    assert_eq!(planned(&jobs(&store).await).len(), 20);
    one.shutdown().await;
    other.shutdown().await;
}

/// An engine that stops, time that passes, and another one on the same store.
async fn absent(schedule: Schedule, away: Duration) -> (Vec<Job>, Scheduled) {
    let bench = bench(|builder| builder.schedule(schedule.clone())).await;
    let name = schedule.name.clone();
    bench.clock.advance(Duration::from_mins(1));
    until(&bench.engine, &name, |one| one.submitted == 1).await;
    bench.engine.shutdown().await;
    bench.clock.advance(away);
    let again = Engine::on(bench.store.clone())
        .clock(Arc::new(bench.clock.clone()))
        .register_fn(KIND, |_: serde_json::Value, _| async {
            Ok(Outcome::Done(()))
        })
        .schedule(schedule)
        .start()
        .await
        .expect("starts again");
    let now = bench.clock.now();
    let moved = until(&again, &name, |one| one.next_at.is_some_and(|at| at > now)).await;
    again.shutdown().await;
    let mut found = jobs(&bench.store).await;
    found.pop();
    (found, moved)
}

#[tokio::test]
async fn what_was_missed_while_nobody_was_there_is_made_up_for() {
    let away = Duration::from_secs(4 * 3600 + 1800 + 90);
    let hourly = || Schedule {
        name: "hourly".to_owned(),
        ..Schedule::every("hourly", Duration::from_hours(1), job())
            .starting(TestClock::default().now() + Duration::from_mins(1))
    };
    let (skipped, now) = absent(hourly().missed(Missed::Skip), away).await;
    assert_eq!((skipped.len(), now.missed), (0, 4));
    let (once, now) = absent(hourly().missed(Missed::Once), away).await;
    assert_eq!((once.len(), now.missed), (1, 3));
    let (all, now) = absent(hourly().missed(Missed::All), away).await;
    assert_eq!((all.len(), now.missed), (4, 0));
    let young = hourly()
        .missed(Missed::All)
        .missed_window(Duration::from_hours(2));
    let (two, now) = absent(young, away).await;
    assert_eq!((two.len(), now.missed), (2, 2));
}

#[tokio::test]
async fn a_clock_that_leaps_misses_no_time_and_one_that_is_set_back_repeats_none() {
    let bench = bench(|builder| builder.schedule(minutely())).await;
    bench.clock.advance(Duration::from_mins(1));
    until(&bench.engine, "minutely", |one| one.submitted == 1).await;
    // Forward: as an absence.
    bench.clock.advance(Duration::from_mins(30));
    let leapt = until(&bench.engine, "minutely", |one| one.submitted == 2).await;
    assert_eq!(leapt.missed, 29);
    // Back by an hour: nothing until the clock is where it was.
    let now = bench.clock.now();
    bench.clock.set(now - Duration::from_hours(1));
    settle().await;
    for _ in 0..60 {
        bench.clock.advance(Duration::from_mins(1));
        settle().await;
    }
    assert_eq!(read(&bench.engine, "minutely").await.submitted, 2);
    bench.clock.advance(Duration::from_mins(1));
    until(&bench.engine, "minutely", |one| one.submitted == 3).await;
}

#[tokio::test]
async fn a_night_on_which_the_clocks_change_has_its_one_job() {
    for (noon, expected) in [
        ("2026-03-28T12:00:00Z", "2026-03-29T01:00:00.000Z"),
        ("2026-10-24T12:00:00Z", "2026-10-25T00:30:00.000Z"),
    ] {
        let bench = bench(|builder| builder).await;
        bench.clock.set(noon.parse().expect("a time"));
        let nightly = Schedule::cron("nightly", "30 2 * * *", job()).zone("Europe/Berlin");
        bench.engine.put_schedule(nightly).await.expect("put");
        // Through the night in minutes, to the next noon.
        let mut seen: Vec<Timestamp> = Vec::new();
        for _ in 0..24 * 6 {
            bench.clock.advance(Duration::from_mins(10));
            settle().await;
            let last = read(&bench.engine, "nightly")
                .await
                .last
                .map(|(time, _)| time);
            seen.extend(last.filter(|last| seen.last() != Some(last)));
        }
        let seen: Vec<String> = seen.iter().map(ToString::to_string).collect();
        assert_eq!(seen, [expected]);
        assert_eq!(read(&bench.engine, "nightly").await.submitted, 1);
    }
}

#[tokio::test]
async fn a_time_is_skipped_while_the_job_before_lives() {
    let bench = busy().await;
    let schedule = minutely().overlap(Overlap::Skip);
    bench.engine.put_schedule(schedule).await.expect("put");
    bench.clock.advance(Duration::from_mins(1));
    until(&bench.engine, "minutely", |one| one.submitted == 1).await;
    bench.clock.advance(Duration::from_mins(1));
    until(&bench.engine, "minutely", |one| one.skipped == 1).await;
    let living = jobs(&bench.store).await.pop().expect("a job");
    // By hand too: it is the one that lives.
    let by_hand = bench
        .engine
        .run_schedule(None, "minutely")
        .await
        .expect("asked");
    assert!(!by_hand.is_new());
    assert_eq!(by_hand.id(), &living.id);
    bench
        .engine
        .cancel(None, &living.id)
        .await
        .expect("cancelled");
    bench
        .until(&by_hand, |job| job.state() == State::Cancelled)
        .await;
    bench.clock.advance(Duration::from_mins(1));
    until(&bench.engine, "minutely", |one| one.submitted == 2).await;
    assert_eq!(jobs(&bench.store).await.len(), 2);
}

#[tokio::test]
async fn a_paused_schedule_submits_nothing_and_what_passed_was_not_missed() {
    let bench = bench(|builder| builder.schedule(minutely().missed(Missed::All))).await;
    let paused = bench
        .engine
        .pause_schedule(None, "minutely")
        .await
        .expect("paused");
    assert!(paused.is_paused() && paused.next_times(5).is_empty());
    bench
        .engine
        .pause_schedule(None, "minutely")
        .await
        .expect("twice is no error");
    bench.clock.advance(Duration::from_mins(10));
    settle().await;
    let by_hand = bench
        .engine
        .run_schedule(None, "minutely")
        .await
        .expect("run");
    assert!(by_hand.is_new());
    let now = read(&bench.engine, "minutely").await;
    assert_eq!((now.submitted, now.missed, now.next_at), (1, 0, None));
    assert_eq!(now.last.expect("a job").1, *by_hand.id());
    // Declared anew, as at a start, it stays paused.
    bench.engine.put_schedule(minutely()).await.expect("put");
    assert!(read(&bench.engine, "minutely").await.is_paused());
    let resumed = bench
        .engine
        .resume_schedule(None, "minutely")
        .await
        .expect("resumed");
    assert_eq!(
        resumed.next_at,
        Some(bench.clock.now() + Duration::from_mins(1))
    );
    bench.clock.advance(Duration::from_mins(1));
    let now = until(&bench.engine, "minutely", |one| one.submitted == 2).await;
    assert_eq!(now.missed, 0);
}

#[tokio::test]
async fn what_can_not_be_submitted_stays_due_and_says_why() {
    let limits = Limits {
        queue_depth: 1,
        ..Limits::default()
    };
    let store = Arc::new(MemoryStore::new(&limits));
    let clock = TestClock::default();
    let engine = Engine::on(store.clone())
        .clock(Arc::new(clock.clone()))
        .limits(limits)
        .register_fn(KIND, |_: serde_json::Value, _| async {
            Ok(Outcome::Done(()))
        })
        .start()
        .await
        .expect("starts");
    engine.pause_queue("default").await.expect("paused");
    let waiting = engine.submit_job(job()).await.expect("fills the queue");
    let time = clock.now() + Duration::from_mins(1);
    engine.put_schedule(minutely()).await.expect("put");
    clock.advance(Duration::from_mins(1));
    let refused = until(&engine, "minutely", |one| one.error.is_some()).await;
    assert!(
        refused
            .error
            .expect("why")
            .contains("the queue 'default' holds 1")
    );
    assert_eq!(refused.next_at, Some(time), "its time stays due");
    let full = engine
        .run_schedule(None, "minutely")
        .await
        .expect_err("full");
    assert_eq!(full.code(), ErrorCode::QueueFull);
    engine.cancel(None, waiting.id()).await.expect("makes room");
    clock.advance(Duration::from_mins(1));
    let now = until(&engine, "minutely", |one| one.submitted == 1).await;
    assert_eq!(now.error, None);
    assert_eq!(jobs(&store).await.len(), 2);
    engine.shutdown().await;
}

#[tokio::test]
async fn schedules_that_can_not_be_kept_are_refused_with_what_to_do() {
    let bench = bench(|builder| builder).await;
    let code = async |schedule: Schedule| {
        let refused = bench
            .engine
            .put_schedule(schedule)
            .await
            .expect_err("refused");
        (refused.code(), refused.to_string())
    };
    let cron = |expression: &str| Schedule::cron("s", expression, job());
    for (schedule, what) in [
        (cron("every day"), "'every day' is no cron expression"),
        (cron("0 0 30 2 *"), "no day has such a time"),
        (cron("0 0 * * *").zone("Mars/Base"), "IANA name"),
        (cron("0 0 * * *").until(bench.clock.now()), "before its end"),
        (
            Schedule::every("s", Duration::from_millis(5), job()),
            "1 second",
        ),
        (Schedule::every("", Duration::from_mins(5), job()), "name"),
    ] {
        let (code, why) = code(schedule).await;
        assert_eq!(code, ErrorCode::InvalidSchedule, "{why}");
        assert!(why.contains(what), "{why}");
    }
    let of = |kind: &str, args: &str| Schedule::cron("s", "@daily", NewJob::raw(kind, args));
    assert_eq!(
        code(of("test.unknown", "{}")).await.0,
        ErrorCode::UnknownKind
    );
    assert_eq!(code(of(KIND, "[1]")).await.0, ErrorCode::InvalidArgs);
    for refused in [
        bench.engine.pause_schedule(None, "s").await.map(drop),
        bench
            .engine
            .remove_schedule(Some("me"), "s")
            .await
            .map(drop),
        bench.engine.run_schedule(None, "s").await.map(drop),
    ] {
        assert!(matches!(refused, Err(Error::UnknownSchedule(name)) if name == "s"));
    }
}

#[tokio::test]
async fn a_thousand_schedules_of_one_moment_are_all_submitted() {
    let bench = bench(|builder| builder).await;
    for n in 0..1_000 {
        let schedule = Schedule {
            name: format!("s-{n}"),
            ..minutely()
        };
        bench.engine.put_schedule(schedule).await.expect("put");
    }
    bench.clock.advance(Duration::from_mins(1));
    for n in 0..1_000 {
        until(&bench.engine, &format!("s-{n}"), |one| one.submitted == 1).await;
    }
    assert_eq!(jobs(&bench.store).await.len(), 1_000);
}
