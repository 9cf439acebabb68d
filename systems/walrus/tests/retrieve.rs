//! The job `walrus.retrieve` on a real engine and file, against the stand-in of an aggregator, with true blob IDs.
#![expect(clippy::expect_used, reason = "a test")]

use std::{
    collections::BTreeSet,
    fs,
    path::PathBuf,
    sync::{
        Arc,
        atomic::{AtomicU32, Ordering},
    },
    time::{Duration, Instant},
};

use longhaul::{
    Engine, JobHandle,
    testing::TestClock,
    types::{ItemState, State},
};
use longhaul_sandbox::aggregator::{Aggregator as Sandbox, Fault, Request, Rule};
use longhaul_walrus::{
    blob_id::{self, BlobId},
    cache::Cache,
    machine::{Load, Throttle},
    retrieve::{Retrieve, RetrieveArgs, Retrieved},
};
use serde_json::json;
use tempfile::TempDir;

/// An engine, a sandbox with blobs, and the folders of lists and files.
struct Rig {
    folder: TempDir,
    sandbox: Sandbox,
    engine: Engine,
}

impl Rig {
    async fn new() -> Self {
        let folder = tempfile::tempdir().expect("a folder");
        for name in ["blobs", "lists"] {
            fs::create_dir(folder.path().join(name)).expect("a folder");
        }
        let sandbox = Sandbox::start(folder.path().join("blobs"))
            .await
            .expect("started");
        let engine = engine(&folder).await;
        Self {
            folder,
            sandbox,
            engine,
        }
    }

    fn path(&self, name: &str) -> PathBuf {
        self.folder.path().join(name)
    }

    /// Stores a todo of this title and answers with its blob ID.
    fn todo(&self, title: &str) -> BlobId {
        self.blob(&serde_json::to_vec_pretty(&json!({"id": title, "title": title})).expect("json"))
    }

    fn blob(&self, bytes: &[u8]) -> BlobId {
        let length = bytes.len() as u64;
        let id = blob_id::compute(&bytes.to_vec(), length, &blob_id::Options::default());
        let id = id.expect("an ID");
        self.sandbox.put(&id.to_string(), bytes).expect("stored");
        id
    }

    fn list(&self, name: &str, todos: &[(String, String)]) {
        let todos: Vec<_> = todos
            .iter()
            .map(|(title, blob)| json!({"id": title, "title": title, "walrusBlobId": blob}))
            .collect();
        let list = json!({"id": name, "name": name, "owner": "me", "version": 1, "todos": todos});
        let path = self.path("lists").join(format!("{name}.json"));
        fs::write(path, list.to_string()).expect("written");
    }

    fn args(&self, source: &str) -> RetrieveArgs {
        RetrieveArgs {
            source: source.to_owned(),
            lists: self.path("lists"),
            aggregator: self.sandbox.url(),
            join: None,
            output: Some(self.path("out")),
            chunk_size: 4,
            attempts: 2,
            cache_bytes: 0,
            full_speed: false,
        }
    }

    async fn start(&self, args: RetrieveArgs) -> JobHandle {
        self.engine.submit(args).await.expect("submitted")
    }

    async fn log(&self, job: &JobHandle) -> Vec<String> {
        let log = self.engine.store().log(job.seq(), 0, 1000).await;
        log.expect("read")
            .into_iter()
            .map(|line| line.text)
            .collect()
    }

    /// What lies in the folder of retrieved files.
    fn files(&self) -> BTreeSet<String> {
        fs::read_dir(self.path("out"))
            .map(|files| {
                files
                    .map(|file| file.expect("read").file_name().into_string().expect("text"))
                    .collect()
            })
            .unwrap_or_default()
    }
}

async fn engine(folder: &TempDir) -> Engine {
    engine_with(folder, Retrieve::default()).await
}

async fn engine_with(folder: &TempDir, retrieve: Retrieve) -> Engine {
    Engine::open(folder.path().join("jobs.db"))
        .register(retrieve.cache(Cache::new(folder.path().join("kept"))))
        .start()
        .await
        .expect("started")
}

/// Waits until it is so.
async fn until(mut so: impl AsyncFnMut() -> bool) {
    let end = Instant::now() + Duration::from_mins(1);
    while !so().await {
        assert!(Instant::now() < end, "never so");
        tokio::time::sleep(Duration::from_millis(10)).await;
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_list_is_retrieved_verified_and_said_as_in_the_document() {
    let rig = Rig::new().await;
    let titles = [
        "Buy groceries",
        "Walk the dog",
        "Pay bills",
        "Schedule meeting",
    ];
    let blobs: Vec<BlobId> = titles.iter().map(|title| rig.todo(title)).collect();
    let todos: Vec<_> = titles
        .iter()
        .zip(&blobs)
        .map(|(title, blob)| ((*title).to_owned(), blob.to_string()))
        .collect();
    rig.list("mylist", &todos);
    let job = rig.start(rig.args("mylist")).await;
    let ended = job.wait().await.expect("ended");
    assert_eq!(ended.state(), State::Completed, "{:?}", ended.error());
    let retrieved: Retrieved = ended.output().expect("a summary");
    assert_eq!((retrieved.items, retrieved.failed), (4, 0));
    let names: BTreeSet<String> = blobs.iter().map(ToString::to_string).collect();
    assert_eq!(rig.files(), names);
    let progress = ended.job.progress;
    assert_eq!((progress.current, progress.percentage), (4, Some(100)));
    assert_eq!(progress.current_task.as_deref(), Some("Item 4/4 completed"));
    let log = rig.log(&job).await;
    assert_eq!(log[0], "Starting retrieval operation");
    for line in [
        "Connected to Walrus storage",
        "Retrieving item 4/4: \"Schedule meeting\"",
        "Retrieved item 1/4: \"Buy groceries\"",
    ] {
        assert!(log.iter().any(|text| text == line), "{line} in {log:?}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn what_is_no_list_and_no_blob_is_not_found() {
    let rig = Rig::new().await;
    let unknown = BlobId::from_bytes([7; 32]).to_string();
    for source in ["InvalidBlobId", "../lists/x", &unknown] {
        let job = rig.start(rig.args(source)).await;
        let ended = job.wait().await.expect("ended");
        let message = format!("Todo not found with blob ID '{source}'");
        assert_eq!(ended.error().expect("failed").message, message);
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn wrong_bytes_are_never_delivered_and_a_good_second_try_is() {
    let rig = Rig::new().await;
    let blob = rig.blob(&vec![5; 100_000]);
    let wrong = Fault::WrongBytes { at: 4711 };
    rig.sandbox.faults().add(Rule::new(wrong.clone()));
    let job = rig.start(rig.args(&blob.to_string())).await;
    let ended = job.wait().await.expect("ended");
    assert_eq!(ended.state(), State::Failed);
    assert_eq!(ended.error().expect("failed").code, "wrong_bytes");
    assert_eq!(rig.files(), BTreeSet::new());

    rig.sandbox.faults().clear();
    rig.sandbox.faults().add(Rule::new(wrong).times(1));
    let job = rig.start(rig.args(&blob.to_string())).await;
    assert_eq!(job.wait().await.expect("ended").state(), State::Completed);
    let file = rig.path("out").join(blob.to_string());
    assert!(fs::read(file).expect("there") == vec![5; 100_000]);
}

#[tokio::test(flavor = "multi_thread")]
async fn some_items_fail_and_a_retry_fetches_only_those() {
    let rig = Rig::new().await;
    let mut todos: Vec<(String, String)> = (1..=8)
        .map(|number| format!("todo {number}"))
        .map(|title| (title.clone(), rig.todo(&title).to_string()))
        .collect();
    todos[2].1 = "no blob ID".to_owned();
    let missing = BlobId::from_bytes([3; 32]);
    todos[6].1 = missing.to_string();
    rig.list("mixed-todos", &todos);
    let job = rig.start(rig.args("mixed-todos")).await;
    let ended = job.wait().await.expect("ended");
    assert_eq!(ended.state(), State::Completed);
    assert_eq!((ended.job.items.completed, ended.job.items.failed), (6, 2));
    let items = rig.engine.store();
    let failed = items
        .items(job.seq(), Some(ItemState::Failed), None, 10)
        .await;
    let failed: Vec<String> = failed
        .expect("read")
        .into_iter()
        .filter_map(|item| Some(item.error?.message))
        .collect();
    assert_eq!(
        failed[1],
        format!("Todo not found with blob ID '{missing}'")
    );

    rig.sandbox.clear_requests();
    rig.engine.retry(None, job.id()).await.expect("retried");
    job.wait().await.expect("ended");
    let asked: BTreeSet<String> = rig
        .sandbox
        .requests()
        .into_iter()
        .map(|request| request.blob)
        .collect();
    assert_eq!(asked, BTreeSet::from([missing.to_string()]));
}

#[tokio::test(flavor = "multi_thread")]
async fn a_restart_fetches_no_finished_piece_again() {
    let rig = Rig::new().await;
    let bytes: Vec<u8> = (0..12_000_000_u32).map(|n| (n % 251) as u8).collect();
    let blob = rig.blob(&bytes);
    let slow = Fault::Slow {
        bytes_per_second: 2_000_000,
    };
    rig.sandbox.faults().add(Rule::new(slow));
    let job = rig.start(rig.args(&blob.to_string())).await;
    let id = job.id().clone();
    let saved = async {
        while job.job().await.expect("read").progress.current < 7_500_000 {
            tokio::time::sleep(Duration::from_millis(20)).await;
        }
    };
    tokio::time::timeout(Duration::from_secs(20), saved)
        .await
        .expect("some pieces");
    rig.engine.shutdown().await;
    drop(job);
    let before: Vec<_> = rig.sandbox.requests();
    rig.sandbox.faults().clear();
    rig.sandbox.clear_requests();
    let Rig {
        folder,
        sandbox,
        engine: old,
    } = rig;
    // The file is locked until the last handle of the old engine is gone.
    drop(old);
    let engine = engine(&folder).await;
    let job = engine.handle(None, &id).await.expect("there");
    let ended = job.wait().await.expect("ended");
    assert_eq!(ended.state(), State::Completed, "{:?}", ended.error());
    assert_eq!(ended.job.attempts, 0, "a clean stop spends no attempt");
    let file = folder.path().join("out").join(blob.to_string());
    assert!(fs::read(file).expect("there") == bytes);
    let ranges = |requests: Vec<Request>| -> BTreeSet<String> {
        requests
            .into_iter()
            .filter_map(|request| request.range)
            .collect()
    };
    let (before, after) = (ranges(before), ranges(sandbox.requests()));
    let all: BTreeSet<_> = before.union(&after).collect();
    assert!(after.len() + 2 <= all.len(), "{after:?} after {before:?}");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_retrieved_todo_joins_the_list_and_without_a_folder_it_is_an_artifact() {
    let rig = Rig::new().await;
    let blob = rig.todo("Buy milk");
    let mut args = rig.args(&blob.to_string());
    args.join = Some("archive".to_owned());
    args.output = None;
    let job = rig.start(args).await;
    let ended = job.wait().await.expect("ended");
    assert_eq!(ended.state(), State::Completed, "{:?}", ended.error());
    let list = fs::read_to_string(rig.path("lists").join("archive.json")).expect("made");
    let list: serde_json::Value = serde_json::from_str(&list).expect("json");
    assert_eq!(list["todos"][0]["title"], "Buy milk");
    assert_eq!(list["todos"][0]["walrusBlobId"], blob.to_string());
    let artifacts = rig.engine.store().artifacts(job.seq()).await.expect("read");
    assert_eq!(artifacts[0].artifact.name, blob.to_string());
}

#[tokio::test(flavor = "multi_thread")]
async fn retries_are_said() {
    let rig = Rig::new().await;
    let blob = rig.blob(b"hello");
    let away = Fault::Unavailable { retry_after: None };
    rig.sandbox.faults().add(Rule::new(away).times(1));
    let job = rig.start(rig.args(&blob.to_string())).await;
    let ended = job.wait().await.expect("ended");
    let task = ended.job.progress.current_task;
    assert_eq!(task.as_deref(), Some("Retrieval completed after retry"));
    let log = rig.log(&job).await;
    let line = "Retrying connection (attempt 2/2)...";
    assert!(log.iter().any(|text| text.starts_with(line)), "{log:?}");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_second_retrieval_comes_from_the_cache_and_says_so() {
    let rig = Rig::new().await;
    let bytes = vec![5; 3_000_000];
    let blob = rig.blob(&bytes);
    let mut args = rig.args(&blob.to_string());
    args.cache_bytes = 4_000_000;
    let line = "Item 1/1 is in the result cache: retrieved and verified less than an hour ago";
    for (times, output) in [(0, true), (1, true), (2, false)] {
        args.output = output.then(|| rig.path(&format!("out-{times}")));
        let job = rig.start(args.clone()).await;
        let ended = job.wait().await.expect("ended");
        assert_eq!(ended.state(), State::Completed, "{:?}", ended.error());
        let retrieved: Retrieved = ended.output().expect("a summary");
        assert_eq!(retrieved.cached, usize::from(times > 0));
        assert_eq!(retrieved.bytes, 3_000_000);
        let said = rig.log(&job).await.iter().any(|text| text == line);
        assert_eq!(said, times > 0);
        assert_eq!(rig.sandbox.requests().is_empty(), times > 0);
        rig.sandbox.clear_requests();
        if output {
            let file = rig.path(&format!("out-{times}")).join(blob.to_string());
            assert!(fs::read(file).expect("there") == bytes);
        } else {
            let artifacts = rig.engine.store().artifacts(job.seq()).await.expect("read");
            assert_eq!(artifacts[0].artifact.size, 3_000_000);
        }
    }

    // A file that was delivered belongs to the user: what happens to it changes nothing of what comes later.
    fs::write(rig.path("out-0").join(blob.to_string()), b"mine").expect("written");
    args.output = Some(rig.path("out-3"));
    let job = rig.start(args.clone()).await;
    assert_eq!(job.wait().await.expect("ended").state(), State::Completed);
    let file = rig.path("out-3").join(blob.to_string());
    assert!(fs::read(file).expect("there") == bytes);
    assert!(!rig.sandbox.requests().is_empty(), "fetched anew");

    args.cache_bytes = 0;
    rig.sandbox.clear_requests();
    let job = rig.start(args).await;
    assert_eq!(job.wait().await.expect("ended").state(), State::Completed);
    assert!(!rig.sandbox.requests().is_empty(), "switched off");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_blob_that_stands_twice_in_a_list_is_fetched_once() {
    let rig = Rig::new().await;
    let (milk, eggs) = (rig.todo("Buy milk"), rig.todo("Buy eggs"));
    let missing = BlobId::from_bytes([3; 32]);
    let blobs = [milk, eggs, milk, milk, missing, missing];
    let todos: Vec<_> = blobs
        .iter()
        .zip(1..)
        .map(|(blob, number)| (format!("todo {number}"), blob.to_string()))
        .collect();
    rig.list("doubled", &todos);
    let job = rig.start(rig.args("doubled")).await;
    let ended = job.wait().await.expect("ended");
    let items = ended.job.items;
    assert_eq!((items.total, items.completed, items.failed), (6, 4, 2));
    let retrieved: Retrieved = ended.output().expect("a summary");
    let size = |blob: BlobId| {
        let file = fs::metadata(rig.path("out").join(blob.to_string()));
        file.expect("there").len()
    };
    assert_eq!(
        retrieved.bytes,
        size(milk) + size(eggs),
        "each counted once"
    );
    assert_eq!(rig.files().len(), 2);
    let asked = |blob: BlobId| {
        let requests = rig.sandbox.requests().into_iter();
        requests
            .filter(|request| request.blob == blob.to_string())
            .count()
    };
    assert_eq!((asked(milk), asked(eggs)), (1, 1), "a request each");
}

/// As busy as the test says, in percent.
#[derive(Clone, Debug, Default)]
struct Said(Arc<AtomicU32>);

impl Load for Said {
    fn others(&mut self) -> Option<f64> {
        Some(f64::from(self.0.load(Ordering::SeqCst)) / 100.0)
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn on_a_busy_machine_less_is_done_at_a_time_and_the_log_says_so() {
    let mut rig = Rig::new().await;
    let load = Said::default();
    load.0.store(90, Ordering::SeqCst);
    let throttle = Throttle::new(load.clone(), Duration::from_millis(20));
    let folder = tempfile::tempdir().expect("a folder");
    rig.engine = engine_with(&folder, Retrieve::new(throttle)).await;
    let todos: Vec<_> = (1..=4)
        .map(|number| format!("todo {number}"))
        .map(|title| (title.clone(), rig.todo(&title).to_string()))
        .collect();
    rig.list("mylist", &todos);
    // The first item holds its place until the machine is known to be busy.
    let stall = Rule::new(Fault::Stall { after: 0 });
    rig.sandbox
        .faults()
        .add(stall.on(todos[0].1.parse().expect("a name")));
    let job = rig.start(rig.args(&todos[0].1)).await;
    until(async || {
        let log = rig.log(&job).await;
        log.iter()
            .any(|text| text.ends_with("1 item at a time, verified on 1 thread"))
    })
    .await;
    let list = rig.start(rig.args("mylist")).await;
    until(async || !rig.log(&list).await.is_empty() && rig.log(&list).await.len() > 2).await;
    let began = |log: &[String]| {
        let items = log
            .iter()
            .filter(|text| text.starts_with("Retrieving item"));
        items.count()
    };
    assert_eq!(began(&rig.log(&list).await), 1, "one at a time");
    // Who is told to go at full speed gives no way: the three that do not hang are done, and nothing is said of the load.
    let mut args = rig.args("mylist");
    args.full_speed = true;
    let fast = rig.start(args).await;
    until(async || fast.job().await.expect("read").items.completed == 3).await;
    assert!(
        !rig.log(&fast)
            .await
            .iter()
            .any(|text| text.starts_with("Processor"))
    );
    fast.cancel().await.expect("cancelled");
    load.0.store(10, Ordering::SeqCst);
    until(async || {
        let job = list.job().await.expect("read");
        job.items.completed == 3
    })
    .await;
    let log = rig.log(&list).await;
    assert_eq!(began(&log), 4, "the others pass by the one that hangs");
    assert!(
        log.iter()
            .any(|text| text.starts_with("Processor free again (10%): 4 items at a time")),
        "{log:?}"
    );
}

#[tokio::test(flavor = "multi_thread")]
async fn progress_and_result_stay_an_hour_and_the_log_a_week() {
    let mut rig = Rig::new().await;
    let folder = tempfile::tempdir().expect("a folder");
    let clock = TestClock::default();
    rig.engine = Engine::open(folder.path().join("jobs.db"))
        .register(Retrieve::default())
        .clock(Arc::new(clock.clone()))
        .start()
        .await
        .expect("started");
    let blob = rig.todo("Buy milk");
    let job = rig.start(rig.args(&blob.to_string())).await;
    assert_eq!(job.wait().await.expect("ended").state(), State::Completed);
    let minute = Duration::from_mins(1);
    let kept = async || {
        let detail = rig.engine.store().detail(job.seq()).await.expect("read");
        let log = !rig.log(&job).await.is_empty();
        detail.map(|detail| {
            let progress = detail.job.progress.current_task.is_some();
            (progress, detail.result.is_some(), log)
        })
    };
    // A minute at a time, as often as the sweeper looks.
    let mut minutes = 0;
    until(async || {
        let gone = kept().await != Some((true, true, true));
        if !gone {
            clock.advance(minute);
            minutes += 1;
        }
        gone
    })
    .await;
    assert!(minutes >= 60, "gone after {minutes} minutes");
    until(async || kept().await == Some((false, false, true))).await;
    clock.advance(minute * (7 * 24 * 60_u32).saturating_sub(minutes + 1));
    assert_eq!(kept().await, Some((false, false, true)));
    until(async || {
        clock.advance(minute);
        kept().await.is_none()
    })
    .await;
}
