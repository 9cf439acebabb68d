//! A job that kills its process does not loop for ever, and does not stop the others.
#![expect(clippy::unwrap_used, reason = "a test may fail by a panic")]

use std::{
    os::unix::process::ExitStatusExt as _,
    process::{Command, Stdio},
    time::Duration,
};

use longhaul::{Engine, model::transition::MAX_RESCUES, types::State};
use tokio::time::timeout;

/// The number of SIGABRT.
const ABORTED: i32 = 6;
const LONG: Duration = Duration::from_mins(1);

#[tokio::test]
async fn a_handler_that_aborts_its_process_ends_as_worker_lost() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("jobs.db");
    let mut aborted = 0;
    loop {
        let life = Command::new(env!("CARGO_BIN_EXE_aborting"))
            .arg(&path)
            .stderr(Stdio::null())
            .status()
            .unwrap();
        if life.success() {
            break;
        }
        assert_eq!(life.signal(), Some(ABORTED), "{life}");
        aborted += 1;
        assert!(aborted <= MAX_RESCUES + 1, "it loops");
    }
    // The first run, and one after each rescue that is allowed.
    assert_eq!(aborted, MAX_RESCUES + 1);

    let engine = Engine::open(&path).without_worker().start().await.unwrap();
    let job = engine.job(None, &"abort".parse().unwrap()).await.unwrap();
    assert_eq!(job.state(), State::Failed);
    assert_eq!(job.error.unwrap().code, "worker_lost");
    assert_eq!(job.claim, u64::from(aborted));
    assert_eq!(job.attempts, 0, "a rescue spends no attempt");
    let job = engine.job(None, &"well".parse().unwrap()).await.unwrap();
    assert_eq!(job.state(), State::Completed);
    assert_eq!(job.claim, 1);
    timeout(LONG, engine.shutdown())
        .await
        .expect("an engine without a worker shuts down");
}
