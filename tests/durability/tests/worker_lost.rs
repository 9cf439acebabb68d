//! A job that kills its process does not loop for ever, and does not stop the others.
#![expect(clippy::unwrap_used, reason = "a test may fail by a panic")]

use std::{
    os::unix::process::ExitStatusExt as _,
    path::Path,
    process::{Command, Stdio},
    time::Duration,
};

use longhaul::{
    Engine,
    model::{Job, transition::MAX_RESCUES},
    types::State,
};
use tokio::time::timeout;

/// The number of SIGABRT.
const ABORTED: i32 = 6;
const LONG: Duration = Duration::from_mins(1);

/// Runs the program until a life of it ends well. Answers how many did not.
fn lives(path: &Path, words: &[&str]) -> u32 {
    let mut aborted = 0;
    loop {
        let life = Command::new(env!("CARGO_BIN_EXE_aborting"))
            .arg(path)
            .args(words)
            .stderr(Stdio::null())
            .status()
            .unwrap();
        if life.success() {
            return aborted;
        }
        assert_eq!(life.signal(), Some(ABORTED), "{life}");
        aborted += 1;
        assert!(aborted <= MAX_RESCUES + 1, "it loops");
    }
}

async fn job(engine: &Engine, id: &str) -> Job {
    engine.job(None, &id.parse().unwrap()).await.unwrap()
}

#[tokio::test]
async fn a_handler_that_aborts_its_process_ends_as_worker_lost() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("jobs.db");
    // The first run, and one after each rescue that is allowed.
    assert_eq!(lives(&path, &[]), MAX_RESCUES + 1);

    let engine = Engine::open(&path).without_worker().start().await.unwrap();
    let lost = job(&engine, "abort").await;
    assert_eq!(lost.state(), State::Failed);
    assert_eq!(lost.error.unwrap().code, "worker_lost");
    assert_eq!(lost.claim, u64::from(MAX_RESCUES + 1));
    assert_eq!(lost.attempts, 0, "a rescue spends no attempt");
    let well = job(&engine, "well").await;
    assert_eq!(well.state(), State::Completed);
    assert_eq!(well.claim, 1);
    timeout(LONG, engine.shutdown())
        .await
        .expect("an engine without a worker shuts down");
}

#[tokio::test]
async fn what_runs_beside_a_job_that_kills_its_process_is_not_lost_with_it() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("jobs.db");
    assert_eq!(lives(&path, &["beside"]), MAX_RESCUES + 1);

    let engine = Engine::open(&path).without_worker().start().await.unwrap();
    assert_eq!(
        job(&engine, "abort").await.error.unwrap().code,
        "worker_lost"
    );
    let well = job(&engine, "well").await;
    assert_eq!(well.state(), State::Completed, "{:?}", well.error);
    assert!(well.rescues > 0, "it ran beside the other");
    engine.shutdown().await;
}
