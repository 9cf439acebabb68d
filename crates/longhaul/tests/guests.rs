//! Two engines on one file: the owner runs the jobs, a guest submits, waits and cancels.
#![expect(clippy::expect_used, reason = "a test")]

use std::time::Duration;

use longhaul::{
    Context, Engine, Failure, NewJob, Outcome, engine::Error, model::Schedule, store, types::State,
};
use tempfile::TempDir;

const PATIENCE: Duration = Duration::from_secs(30);

/// Runs until it is told to stop.
async fn run(_: bool, job: Context) -> Result<Outcome<()>, Failure> {
    Err(job.stopped().await.into())
}

async fn owner(folder: &TempDir) -> Engine {
    Engine::open(folder.path().join("jobs.db"))
        .register_fn("test.wait", run)
        .start()
        .await
        .expect("started")
}

async fn guest(folder: &TempDir) -> Engine {
    Engine::open(folder.path().join("jobs.db"))
        .register_fn("test.wait", run)
        .without_worker()
        .start()
        .await
        .expect("started")
}

#[tokio::test]
async fn a_second_owner_is_refused() {
    let folder = tempfile::tempdir().expect("a folder");
    let first = owner(&folder).await;
    let second = Engine::open(folder.path().join("jobs.db")).start().await;
    let Err(Error::Store(store::Error::Locked(why))) = second else {
        panic!("refused, not {second:?}")
    };
    assert!(why.contains("another process runs jobs"), "{why}");
    first.shutdown().await;
    drop(first);
    owner(&folder).await.shutdown().await;
}

#[tokio::test]
async fn a_guest_submits_waits_and_cancels_a_run() {
    let folder = tempfile::tempdir().expect("a folder");
    let owner = owner(&folder).await;
    let guest = guest(&folder).await;
    let job = guest.submit(false).await.expect("submitted");
    let running = async {
        while job.job().await.expect("read").state() != State::Running {
            tokio::task::yield_now().await;
        }
    };
    tokio::time::timeout(PATIENCE, running)
        .await
        .expect("the owner noticed");
    let asked = job.cancel().await.expect("asked");
    assert!(asked.cancel_requested());
    let ended = tokio::time::timeout(PATIENCE, job.wait()).await;
    assert_eq!(
        ended.expect("in time").expect("ended").state(),
        State::Cancelled
    );
    guest.shutdown().await;
    owner.shutdown().await;
}

#[tokio::test]
async fn the_owner_keeps_the_schedule_that_a_guest_puts() {
    let folder = tempfile::tempdir().expect("a folder");
    let owner = owner(&folder).await;
    let guest = guest(&folder).await;
    let job = NewJob::raw("test.wait", "false");
    let often = Schedule::every("often", Duration::from_secs(1), job);
    guest.put_schedule(often).await.expect("put");
    let submitted = async {
        while guest.schedule(None, "often").await.expect("read").submitted == 0 {
            tokio::task::yield_now().await;
        }
    };
    tokio::time::timeout(PATIENCE, submitted)
        .await
        .expect("the owner noticed");
    guest.shutdown().await;
    owner.shutdown().await;
}
