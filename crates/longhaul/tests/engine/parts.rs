//! What a context gives: items, checkpoint, commit, progress, log, scratch, artifacts.

use std::{
    sync::{Arc, OnceLock},
    time::Duration,
};

use futures_util::StreamExt;
use longhaul::{
    Engine, Failure, NewJob, Outcome,
    context::ItemError,
    engine::Error,
    model::Backoff,
    store::Store as _,
    types::{ItemState, Level, State},
};

use tokio::sync::Notify;

use crate::support::{Bench, Nothing, Script, ended, policy};

fn quick() -> Backoff {
    Backoff {
        first: Duration::ZERO,
        cap: Duration::ZERO,
    }
}

#[tokio::test]
async fn a_retry_runs_only_the_items_that_failed() {
    let bench = Bench::new(|run, job| async move {
        let mut done = 0;
        for name in ["a", "b", "c"] {
            let item = job.item(name).attempts(2).backoff(quick());
            let result = item
                .run(async |_| {
                    if name == "b" && run == 1 {
                        return Err(Failure::retry("away", "b is away"));
                    }
                    Ok(format!("{name} in run {run}"))
                })
                .await;
            match result {
                Ok(_) => done += 1,
                Err(ItemError::Failed(_)) => {}
                Err(error) => return Err(error.into()),
            }
        }
        Ok(Outcome::Done(done))
    })
    .await;
    let job = bench.submit().await;
    let first = ended(&bench, &job).await;
    assert_eq!(first.state(), State::Completed);
    assert_eq!((first.job.items.completed, first.job.items.failed), (2, 1));
    let items = bench
        .store
        .items(job.seq(), Some(ItemState::Failed), None, 10)
        .await
        .expect("read");
    assert_eq!((items[0].name.as_str(), items[0].attempts), ("b", 2));
    assert_eq!(items[0].error.as_ref().expect("kept").message, "b is away");

    bench.engine.retry(None, job.id()).await.expect("retried");
    let second = ended(&bench, &job).await;
    assert_eq!(
        (second.job.items.completed, second.job.items.failed),
        (3, 0)
    );
    let items = bench
        .store
        .items(job.seq(), None, None, 10)
        .await
        .expect("read");
    let results: Vec<_> = items
        .iter()
        .filter_map(|item| item.result.as_ref()?.as_str())
        .collect();
    assert_eq!(results, ["a in run 1", "b in run 2", "c in run 1"]);
}

#[tokio::test]
async fn all_items_failed_is_a_failed_job() {
    let bench = Bench::new(|_, job| async move {
        for name in ["a", "b"] {
            let item = job
                .item(name)
                .run(async |_| Err::<(), _>(Failure::fatal("gone", "gone")));
            assert!(matches!(item.await, Err(ItemError::Failed(_))));
        }
        Ok(Outcome::Done(0))
    })
    .await;
    let job = bench.submit().await;
    let ended = ended(&bench, &job).await;
    assert_eq!(ended.state(), State::Failed);
    assert_eq!(ended.error().expect("kept").code, "all_items_failed");
}

#[tokio::test]
async fn a_commit_is_checkpoint_items_and_jobs_at_once() {
    let bench = Bench::new(|run, job| async move {
        if job.labels().contains_key("child") {
            return Ok(Outcome::Done(run));
        }
        if let Some(checkpoint) = job.checkpoint::<u32>()? {
            assert_eq!(checkpoint, 5);
            assert!(job.is_resumed());
            return Ok(Outcome::Done(100));
        }
        let child = NewJob::new("test.script", &Nothing {})?
            .label("child", "yes")
            .unique_key("c");
        let ids = job
            .commit()
            .checkpoint(&5)?
            .item("one", "done")?
            .submit(child)?
            .run()
            .await?;
        assert_eq!(ids.len(), 1);
        Err(Failure::retry("again", "again"))
    })
    .await;
    let job = bench.submit().await;
    let ended = ended(&bench, &job).await;
    assert_eq!(ended.output::<u32>().expect("resumed"), 100);
    let counts = bench.engine.counts(None).await.expect("counts");
    assert_eq!((counts.completed, counts.pending), (2, 0));
}

#[tokio::test]
async fn progress_and_log_are_written_and_told() {
    let bench = Bench::new(|_, job| async move {
        job.info("beginning");
        for done in 1..=10 {
            job.progress()
                .set(done, 10)
                .unit("files")
                .task(format!("file {done}"));
        }
        job.log(Level::Warn, "one\nline");
        Ok(Outcome::Done(0))
    })
    .await;
    let mut events = bench.engine.events();
    let job = bench.submit().await;
    let ended = ended(&bench, &job).await;
    let progress = ended.job.progress;
    assert_eq!((progress.current, progress.percentage), (10, Some(100)));
    assert_eq!(progress.current_task.as_deref(), Some("file 10"));
    let log = bench.store.log(job.seq(), 0, 10).await.expect("read");
    let lines: Vec<_> = log
        .iter()
        .map(|line| (line.number, line.level, line.text.as_str()))
        .collect();
    assert_eq!(
        lines,
        [(1, Level::Info, "beginning"), (2, Level::Warn, "one line")]
    );
    bench.engine.shutdown().await;
    let mut told = Vec::new();
    while let Some(longhaul::engine::Heard::Event(event)) = events.next().await {
        told.push(
            serde_json::to_value(&*event).expect("json")["event"]
                .as_str()
                .map(str::to_owned),
        );
    }
    let told: Vec<&str> = told.iter().flatten().map(String::as_str).collect();
    assert_eq!(told, ["state", "state", "progress", "log", "state"]);
}

#[tokio::test]
async fn what_comes_after_a_pause_is_written_at_once_and_the_next_a_moment_later() {
    let step = Arc::new(tokio::sync::Notify::new());
    let next = Arc::clone(&step);
    let bench = Bench::new(move |_, job| {
        let next = Arc::clone(&next);
        async move {
            for current in 1..=2 {
                job.progress().set(current, 4);
                next.notified().await;
            }
            Ok(Outcome::Done(0))
        }
    })
    .await;
    let job = bench.submit().await;
    bench.until(&job, |job| job.state() == State::Running).await;
    let mut waits = Vec::new();
    for current in 1..=2 {
        let (moment, mut waited) = (Duration::from_millis(2), Duration::ZERO);
        while job.job().await.expect("read").progress.current < current {
            assert!(
                waited < Duration::from_secs(10),
                "step {current} is never written"
            );
            bench.clock.advance(moment);
            waited += moment;
            tokio::task::yield_now().await;
        }
        waits.push(waited);
        step.notify_one();
    }
    assert!(waits[0] < Duration::from_millis(100), "{waits:?}");
    assert!(waits[1] > Duration::from_millis(200), "{waits:?}");
    bench.engine.shutdown().await;
}

#[tokio::test]
async fn a_progress_stream_ends_with_the_last_value() {
    let bench = Bench::new(|_, job| async move {
        for done in 0..5 {
            job.progress().set(done, 5);
            job.sleep(Duration::from_secs(1)).await?;
        }
        job.progress().set(5, 5);
        Ok(Outcome::Done(0))
    })
    .await;
    let job = bench.submit().await;
    let stream = job.progress();
    ended(&bench, &job).await;
    let seen: Vec<u64> = stream.map(|progress| progress.current).collect().await;
    assert_eq!(seen.last(), Some(&5));
}

#[tokio::test]
async fn scratch_outlives_attempts_and_goes_with_the_job() {
    let folder = tempfile::tempdir().expect("a folder");
    let root = folder.path().join("scratch");
    let path = root.clone();
    let bench = Bench::with(
        crate::support::policy(),
        |builder| builder.scratch(path),
        |run, job| async move {
            let file = job.scratch().await?.join("part");
            if run == 1 {
                std::fs::write(&file, "half")?;
                job.save("half").await?;
                return Err(Failure::retry("again", "again"));
            }
            assert_eq!(std::fs::read_to_string(&file)?, "half");
            Ok(Outcome::Done(0))
        },
    )
    .await;
    let job = bench.submit().await;
    assert_eq!(ended(&bench, &job).await.state(), State::Completed);
    bench.engine.shutdown().await;
    let left = std::fs::read_dir(&root).expect("there").count();
    assert_eq!(left, 0, "the job's folder is gone");
}

#[tokio::test]
async fn artifacts_are_whole_hashed_and_replaced() {
    let bench = Bench::new(|_, job| async move {
        job.artifacts()
            .put("../../etc/passwd", "text/plain", "first")
            .await?;
        let second = job
            .artifacts()
            .put("../../etc/passwd", "text/plain", "hello")
            .await?;
        assert_eq!(
            second.sha256,
            "2cf24dba5fb0a30e26e83b2ac5b9e29e1b161e5c1fa7425e73043362938b9824"
        );
        Ok(Outcome::Done(0))
    })
    .await;
    let job = bench.submit().await;
    ended(&bench, &job).await;
    let stored = bench.store.artifacts(job.seq()).await.expect("read");
    assert_eq!(stored.len(), 1);
    assert_eq!(
        (stored[0].artifact.size, stored[0].artifact.name.as_str()),
        (5, "../../etc/passwd")
    );
    assert!(
        !stored[0].location.contains(".."),
        "names never become paths"
    );
    let bytes: Vec<_> = bench
        .engine
        .artifacts()
        .read(&stored[0].location, Some(1..3))
        .await
        .expect("there")
        .map(|bytes| bytes.expect("read").to_vec())
        .collect()
        .await;
    assert_eq!(bytes.concat(), b"el");
}

#[tokio::test]
async fn a_run_that_was_rescued_can_not_write() {
    let late = Arc::new(OnceLock::new());
    let go_on = Arc::new(Notify::new());
    let (told, hang) = (Arc::clone(&late), Arc::clone(&go_on));
    let bench = Bench::new(move |_, job| {
        let (told, hang) = (Arc::clone(&told), Arc::clone(&hang));
        async move {
            job.save(&1).await?;
            hang.notified().await;
            told.set(job.save(&999).await).expect("one late write");
            Ok(Outcome::Done(999))
        }
    })
    .await;
    let job = bench.submit().await;
    bench.until(&job, |job| job.revision > 2).await;

    // Its worker is declared dead while it hangs, and another one runs the job.
    let second = Script {
        runs: Arc::default(),
        policy: policy(),
        step: Box::new(|_, _| Box::pin(async { Ok(Outcome::Done(2)) })),
    };
    let engine = Engine::on(bench.store.clone())
        .clock(Arc::new(bench.clock.clone()))
        .register(second)
        .start()
        .await
        .expect("started");
    let handle = engine.handle(None, job.id()).await.expect("there");
    handle.wait().await.expect("an end");

    go_on.notify_one();
    while bench.engine.held() > 0 {
        tokio::task::yield_now().await;
    }
    assert!(
        matches!(late.get(), Some(Err(Error::ClaimLost))),
        "{late:?}"
    );
    let after = handle.wait().await.expect("an end");
    assert_eq!(
        after.output::<u32>().expect("a number"),
        2,
        "the end of the run that was rescued was refused"
    );
    engine.shutdown().await;
}
