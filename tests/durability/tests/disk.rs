//! What is acknowledged survives a power cut and a failing disk.
//!
//! Each test holds the engine to the bytes that were synced at the moment of its answer, not to what the page cache has.
#![expect(clippy::unwrap_used, reason = "a test may fail by a panic")]

use std::{
    collections::BTreeSet,
    path::Path,
    sync::{Arc, Mutex},
    time::Duration,
};

use longhaul::{
    Context, Engine, NewJob, Outcome, engine, model::Start, rusqlite::Connection, store,
    types::State,
};
use longhaul_durability::{Disk, Fault, Moment, Operation};
use tokio::{task::JoinSet, time::timeout};

const KIND: &str = "test.nothing";
const SUBMITTERS: u32 = 64;
const LONG: Duration = Duration::from_mins(1);

/// Jobs that were acknowledged, each with the moment at which its submission returned.
#[derive(Clone, Default)]
struct Acknowledged(Arc<Mutex<Vec<(Moment, String)>>>);

impl Acknowledged {
    fn add(&self, disk: &Disk, id: &str) {
        let moment = disk.now();
        self.0.lock().unwrap().push((moment, id.to_owned()));
    }

    fn all(&self) -> Vec<(Moment, String)> {
        self.0.lock().unwrap().clone()
    }

    /// The acknowledged jobs that a power cut, at the moment of their answer or at that of a later one, would have lost.
    fn lost(&self, disk: &Disk) -> BTreeSet<String> {
        let mut acknowledged = self.all();
        acknowledged.sort();
        let mut lost = BTreeSet::new();
        let mut so_far = Vec::new();
        let mut answers = acknowledged.into_iter().peekable();
        while let Some((moment, id)) = answers.next() {
            so_far.push(id);
            let same = |next: &(Moment, String)| disk.epoch(next.0) == disk.epoch(moment);
            if answers.peek().is_some_and(same) {
                continue;
            }
            let left = left_after_power_cut(disk, moment);
            lost.extend(so_far.iter().filter(|id| !left.contains(*id)).cloned());
        }
        lost
    }
}

/// The jobs in the file that a power cut at `moment` would have left.
fn left_after_power_cut(disk: &Disk, moment: Moment) -> BTreeSet<String> {
    let folder = tempfile::tempdir().unwrap();
    disk.power_cut(moment, folder.path()).unwrap();
    let db = Connection::open(folder.path().join("jobs.db")).unwrap();
    let sound: String = db
        .query_row("PRAGMA integrity_check", [], |row| row.get(0))
        .unwrap();
    assert_eq!(sound, "ok");
    if !db.table_exists(None, "longhaul_jobs").unwrap() {
        return BTreeSet::new();
    }
    let mut select = db.prepare("SELECT id FROM longhaul_jobs").unwrap();
    let ids = select.query_map([], |row| row.get(0)).unwrap();
    ids.map(Result::unwrap).collect()
}

async fn start(folder: &Path) -> Engine {
    let nothing = |(): (), _: Context| async { Ok(Outcome::Done(())) };
    Engine::open(folder.join("jobs.db"))
        .register_fn(KIND, nothing)
        .start()
        .await
        .unwrap()
}

fn job(id: &str) -> NewJob {
    NewJob::raw(KIND, "null").id(id.parse().unwrap())
}

/// Submits from many tasks at once, each one job after another.
async fn submit(engine: &Engine, disk: &Arc<Disk>, each: u32) -> Acknowledged {
    let acknowledged = Acknowledged::default();
    let mut submitters = JoinSet::new();
    for submitter in 0..SUBMITTERS {
        let (engine, disk, acknowledged) = (engine.clone(), Arc::clone(disk), acknowledged.clone());
        submitters.spawn(async move {
            for number in 0..each {
                let id = format!("job-{submitter}-{number}");
                engine
                    .submit_job(job(&id).start(Start::Held))
                    .await
                    .unwrap();
                acknowledged.add(&disk, &id);
            }
        });
    }
    timeout(LONG, submitters.join_all()).await.unwrap();
    acknowledged
}

#[tokio::test(flavor = "multi_thread")]
async fn no_answer_precedes_the_sync_of_its_commit() {
    let folder = tempfile::tempdir().unwrap();
    let disk = Disk::watch(folder.path());
    let engine = start(folder.path()).await;
    let before = disk.syncs();
    let acknowledged = submit(&engine, &disk, 10).await;
    let syncs = disk.syncs() - before;
    assert_eq!(acknowledged.all().len(), 640);
    assert_eq!(acknowledged.lost(&disk), BTreeSet::new());
    // Group commit: otherwise each answer had a sync of its own, and this test would not see answers share one.
    assert!((10..640).contains(&syncs), "{syncs} syncs");
    engine.shutdown().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_disk_that_loses_syncs_is_found_out() {
    let folder = tempfile::tempdir().unwrap();
    let disk = Disk::watch(folder.path());
    let engine = start(folder.path()).await;
    disk.lose_syncs();
    let acknowledged = submit(&engine, &disk, 1).await;
    assert_eq!(acknowledged.lost(&disk).len(), 64);
    engine.shutdown().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_full_disk_refuses_and_loses_nothing() {
    fails_and_recovers(Fault {
        operation: Operation::Write,
        suffix: "-wal",
        after: 200,
        full: true,
    })
    .await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_failing_write_refuses_and_loses_nothing() {
    fails_and_recovers(Fault {
        operation: Operation::Write,
        suffix: "-wal",
        after: 201,
        full: false,
    })
    .await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_failing_sync_refuses_and_loses_nothing() {
    fails_and_recovers(Fault {
        operation: Operation::Sync,
        suffix: "-wal",
        after: 5,
        full: false,
    })
    .await;
}

/// Many submit until the disk fails: each is told so; what was acknowledged stays and is done once the disk works again.
async fn fails_and_recovers(fault: Fault) {
    let folder = tempfile::tempdir().unwrap();
    let disk = Disk::watch(folder.path());
    let engine = start(folder.path()).await;
    let acknowledged = Acknowledged::default();
    disk.fail(fault);
    let refused = submit_until_refused(&engine, &disk, &acknowledged).await;
    assert_eq!(refused.len(), SUBMITTERS as usize);
    for (id, error) in &refused {
        let right = match error {
            engine::Error::Store(store::Error::Full(_)) => fault.full,
            engine::Error::Store(store::Error::Unavailable(_)) => !fault.full,
            _ => false,
        };
        assert!(right, "{id}: {error:?}");
    }
    assert!(disk.failed() > 0);
    assert!(
        !acknowledged.all().is_empty(),
        "some were acknowledged before"
    );

    disk.repair();
    engine.submit_job(job("afterwards")).await.unwrap();
    acknowledged.add(&disk, "afterwards");
    for (_, id) in acknowledged.all() {
        let handle = engine.handle(None, &id.parse().unwrap()).await.unwrap();
        let ended = timeout(LONG, handle.wait()).await.unwrap().unwrap();
        assert_eq!(ended.state(), State::Completed, "{id}");
        assert_eq!(ended.job.claim, 1, "{id} ran once");
    }
    for (id, _) in &refused {
        let found = engine.job(None, &id.parse().unwrap()).await;
        assert!(matches!(found, Err(engine::Error::NotFound(_))), "{id}");
    }
    engine.shutdown().await;
    // The file's lock goes with the last handle.
    drop(engine);
    assert_eq!(acknowledged.lost(&disk), BTreeSet::new());
    ended_for_good(folder.path(), &acknowledged).await;
}

/// Submits from many tasks at once, each until it is refused. Gives the jobs that were refused, and why.
async fn submit_until_refused(
    engine: &Engine,
    disk: &Arc<Disk>,
    acknowledged: &Acknowledged,
) -> Vec<(String, engine::Error)> {
    let mut submitters = JoinSet::new();
    for submitter in 0..SUBMITTERS {
        let (engine, disk, acknowledged) = (engine.clone(), Arc::clone(disk), acknowledged.clone());
        submitters.spawn(async move {
            for number in 0.. {
                let id = format!("job-{submitter}-{number}");
                match engine.submit_job(job(&id)).await {
                    Ok(_) => acknowledged.add(&disk, &id),
                    Err(error) => return (id, error),
                }
            }
            unreachable!("the disk fails")
        });
    }
    timeout(LONG, submitters.join_all()).await.unwrap()
}

/// A new engine on the file finds every acknowledged job as it was.
async fn ended_for_good(folder: &Path, acknowledged: &Acknowledged) {
    let engine = start(folder).await;
    for (_, id) in acknowledged.all() {
        let job = engine.job(None, &id.parse().unwrap()).await.unwrap();
        assert_eq!(job.state(), State::Completed, "{id}");
    }
    engine.shutdown().await;
}
