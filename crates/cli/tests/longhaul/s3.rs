//! `longhaul serve --artifacts s3://…`: files of jobs in S3-compatible storage, a server of which runs here.

use std::{fs, net::SocketAddr, path::PathBuf, process::Command, sync::Arc, time::Duration};

use hyper_util::{
    rt::{TokioExecutor, TokioIo},
    server::conn::auto,
};
use longhaul::{
    Context, Engine, Failure, Handler, Outcome,
    artifacts::Artifacts,
    testing::{MemoryStore, TestClock},
};
use object_store::{ObjectStore, ObjectStoreExt as _, aws::AmazonS3Builder};
use s3s::{
    S3Result,
    access::{S3Access, S3AccessContext},
    auth::SimpleAuth,
    path::S3Path,
    s3_error,
    service::S3ServiceBuilder,
};
use serde::{Deserialize, Serialize};
use serde_json::{Value, json};
use tokio::{net::TcpListener, runtime::Runtime};

use crate::{
    server::Server,
    support::{Done, Lab, Running, block_on, eventually},
};

const KEY: &str = "key-of-the-tests";
const SECRET: &str = "secret-of-the-tests";
/// More than one part, and no whole number of them.
const LARGE: usize = (12 << 20) + 345;

/// S3-compatible storage with a bucket `files`, on a folder.
struct Storage {
    folder: tempfile::TempDir,
    address: SocketAddr,
    server: Option<Runtime>,
}

/// There is one bucket, and nothing in it under `closed` may be written.
struct Rules;

#[async_trait::async_trait]
impl S3Access for Rules {
    async fn check(&self, request: &mut S3AccessContext<'_>) -> S3Result<()> {
        match request.s3_path() {
            S3Path::Object { bucket, .. } | S3Path::Bucket { bucket } if &**bucket != "files" => {
                Err(s3_error!(NoSuchBucket))
            }
            S3Path::Object { key, .. }
                if key.starts_with("closed/") && request.method() == "PUT" =>
            {
                Err(s3_error!(AccessDenied))
            }
            _ => Ok(()),
        }
    }
}

impl Storage {
    fn start() -> Self {
        let folder = tempfile::tempdir().expect("a folder");
        fs::create_dir(folder.path().join("files")).expect("a bucket");
        let mut storage = Self {
            folder,
            address: ([127, 0, 0, 1], 0).into(),
            server: None,
        };
        storage.serve();
        storage
    }

    fn serve(&mut self) {
        let files = s3s_fs::FileSystem::new(self.folder.path()).expect("a store");
        let mut service = S3ServiceBuilder::new(files);
        service.set_auth(SimpleAuth::from_single(KEY, SECRET));
        service.set_access(Rules);
        let service = service.build();
        let runtime = Runtime::new().expect("a runtime");
        let listener = runtime.block_on(TcpListener::bind(self.address));
        let listener = listener.expect("its address");
        self.address = listener.local_addr().expect("its address");
        runtime.spawn(async move {
            while let Ok((socket, _)) = listener.accept().await {
                let service = service.clone();
                tokio::spawn(async move {
                    auto::Builder::new(TokioExecutor::new())
                        .serve_connection(TokioIo::new(socket), service)
                        .await
                });
            }
        });
        self.server = Some(runtime);
    }

    fn stop(&mut self) {
        if let Some(server) = self.server.take() {
            server.shutdown_timeout(Duration::from_secs(5));
        }
    }

    fn endpoint(&self) -> String {
        format!("http://{}", self.address)
    }

    /// Files under this prefix, of any depth, without the mark of whose they are.
    fn files(&self, prefix: &str) -> Vec<PathBuf> {
        let mut folders = vec![self.folder.path().join("files").join(prefix)];
        let mut files = Vec::new();
        while let Some(folder) = folders.pop() {
            for entry in fs::read_dir(folder).into_iter().flatten().flatten() {
                let path = entry.path();
                if path.is_dir() {
                    folders.push(path);
                } else if !path.ends_with("longhaul-installation") {
                    files.push(path);
                }
            }
        }
        files
    }
}

/// With what it takes to reach the storage.
fn with_keys<'a>(command: &'a mut Command, storage: &Storage) -> &'a mut Command {
    command
        .env("AWS_ACCESS_KEY_ID", KEY)
        .env("AWS_SECRET_ACCESS_KEY", SECRET)
        .env("AWS_REGION", "us-east-1")
        .env("AWS_ENDPOINT_URL", storage.endpoint())
}

/// A server whose files lie in the storage.
fn serve(lab: &Lab, storage: &Storage, more: &[&str]) -> Running {
    let args = [&["serve", "--artifacts", "s3://files/some/place"], more].concat();
    let running = Running::start(with_keys(&mut lab.longhaul(&args), storage));
    eventually("the server answers", || lab.server().is_some());
    running
}

/// What the API answers, as a client of the socket sees it: the status, and the body as it is.
pub(crate) fn call(lab: &Lab, method: &str, path: &str, args: &[&str]) -> (u16, Done) {
    let mut curl = lab.program("curl");
    curl.args(["--silent", "--show-error", "--request", method])
        .args(["--write-out", "%{stderr}%{http_code}"])
        .arg("--unix-socket")
        .arg(lab.socket())
        .args(args)
        .arg(format!("http://localhost/api/v1/{path}"));
    let done = crate::support::done(&mut curl).code(0);
    (done.stderr.trim().parse().expect("a status"), done)
}

pub(crate) fn post(lab: &Lab, path: &str, body: &Value) -> Value {
    let body = body.to_string();
    let json = [
        "--header",
        "Content-Type: application/json",
        "--data",
        &body,
    ];
    let (status, done) = call(lab, "POST", path, &json);
    assert!(status < 300, "{done:?}");
    done.json()
}

/// A worker that holds one job; the path of its claim.
pub(crate) fn claim(lab: &Lab, id: &str) -> String {
    let joined = json!({"name": "maker", "kinds": [{"name": "test.make"}], "leaseSeconds": 600});
    let worker = post(lab, "workers", &joined)["workerId"].clone();
    let worker = worker.as_str().expect("an id");
    post(
        lab,
        "jobs",
        &json!({"kind": "test.make", "id": id, "args": {}}),
    );
    let given = post(lab, &format!("workers/{worker}/claim"), &json!({"wait": 5}));
    let claim = given["jobs"][0]["claim"].clone();
    format!("workers/{worker}/jobs/{}", claim.as_str().expect("a claim"))
}

pub(crate) fn put(lab: &Lab, claim: &str, name: &str, from: &std::path::Path) -> (u16, Done) {
    let from = format!("@{}", from.display());
    let file = [
        "--data-binary",
        &from,
        "--header",
        "Content-Type: text/plain",
    ];
    call(lab, "PUT", &format!("{claim}/artifacts/{name}"), &file)
}

fn large(lab: &Lab) -> PathBuf {
    let text: String = (0..).map(|line| format!("{line}\n")).take(LARGE).collect();
    lab.write("large", &text[..LARGE])
}

#[test]
fn every_server_reads_the_files_of_all() {
    let (database, storage) = (Server::start(), Storage::start());
    let (one, other) = (Lab::new(), Lab::new());
    let shared = ["--database-url", database.url()];
    let first = serve(&one, &storage, &shared);
    let second = serve(&other, &storage, &shared);
    let claim = claim(&one, "made");
    let from = large(&one);
    let (status, stored) = put(&one, &claim, "large.txt", &from);
    assert_eq!(status, 201, "{stored:?}");
    let small = one.write("small", "hello");
    assert_eq!(put(&one, &claim, "small.txt", &small).0, 201);
    let end = json!({"end": {"outcome": "completed"}});
    post(&one, &format!("{claim}/report"), &end);

    let got = other.path("got");
    let whole = ["--output", got.to_str().expect("a path")];
    let (status, _) = call(&other, "GET", "jobs/made/artifacts/large.txt", &whole);
    assert_eq!(status, 200);
    assert!(fs::read(&got).expect("a file") == fs::read(&from).expect("a file"));
    let range = ["--range", "1-3"];
    let (status, part) = call(&other, "GET", "jobs/made/artifacts/small.txt", &range);
    assert_eq!((status, part.stdout.as_str()), (206, "ell"));

    assert_eq!(storage.files("some/place").len(), 2);
    let local = |lab: &Lab| lab.data().join("artifacts").exists();
    assert!(!local(&one) && !local(&other), "nothing lies beside");
    for said in [first.stderr(), second.stderr(), one.log(), other.log()] {
        assert!(!said.contains(SECRET), "{said}");
    }
}

#[test]
fn while_the_storage_is_away_a_file_is_refused_and_nothing_is_lost() {
    let mut storage = Storage::start();
    let lab = Lab::new();
    let _server = serve(&lab, &storage, &[]);
    let claim = claim(&lab, "made");
    let small = lab.write("small", "hello");
    assert_eq!(put(&lab, &claim, "before.txt", &small).0, 201);
    storage.stop();
    let (status, refused) = put(&lab, &claim, "during.txt", &small);
    assert_eq!(status, 503, "{refused:?}");
    assert_eq!(refused.json()["code"], "unavailable", "{refused:?}");
    let (status, _) = call(&lab, "GET", "jobs/made/artifacts/before.txt", &[]);
    assert_eq!(status, 503);
    storage.serve();
    assert_eq!(put(&lab, &claim, "during.txt", &small).0, 201);
    for name in ["before.txt", "during.txt"] {
        let path = format!("jobs/made/artifacts/{name}");
        let (status, found) = call(&lab, "GET", &path, &[]);
        assert_eq!((status, found.stdout.as_str()), (200, "hello"));
    }
}

#[test]
fn a_place_is_one_installations() {
    let storage = Storage::start();
    let (one, other) = (Lab::new(), Lab::new());
    let first = serve(&one, &storage, &[]);
    let args = ["serve", "--artifacts", "s3://files/some/place"];
    let refused = Running::start(with_keys(&mut other.longhaul(&args), &storage));
    let said = refused.done().code(1).stderr;
    assert!(said.contains("files of another installation"), "{said}");
    // Its own server comes back to it, and a prefix beside it is free.
    first.signal(rustix::process::Signal::TERM);
    first.done().code(0);
    let _again = serve(&one, &storage, &[]);
    let args = ["serve", "--artifacts", "s3://files/some/other"];
    let _beside = Running::start(with_keys(&mut other.longhaul(&args), &storage));
    eventually("the server answers", || other.server().is_some());
}

#[test]
fn what_can_not_be_used_is_said_at_the_start() {
    let storage = Storage::start();
    let lab = Lab::new();
    let fails = |address: &str, key: &str| {
        let mut command = lab.longhaul(&["serve", "--artifacts", address]);
        with_keys(&mut command, &storage).env("AWS_SECRET_ACCESS_KEY", key);
        let said = Running::start(&mut command).done().code(1).stderr;
        assert!(said.contains("artifacts can not be kept at"), "{said}");
        assert!(!said.contains(key), "{said}");
        said
    };
    for address in [
        "s3://",
        "s3:///prefix",
        "s3://a b/c",
        "gs://files",
        "some/folder",
    ] {
        let said = fails(address, SECRET);
        assert!(said.contains(address), "{said}");
    }
    let said = fails("s3://missing/place", SECRET);
    assert!(
        said.contains("NoSuchBucket") || said.contains("bucket"),
        "{said}"
    );
    let said = fails("s3://files/place", "another-key");
    assert!(said.contains("SignatureDoesNotMatch"), "{said}");
}

#[derive(Serialize, Deserialize)]
struct Make {}

struct Maker;

impl Handler for Maker {
    const KIND: &'static str = "test.make";
    type Args = Make;
    type Output = ();

    async fn run(&self, _: Make, job: &Context) -> Result<Outcome<()>, Failure> {
        let files = job.artifacts();
        files.put("a", "text/plain", "a".repeat(100)).await?;
        files.put("b", "text/plain", "b").await?;
        Ok(Outcome::Done(()))
    }
}

#[test]
fn files_go_with_their_job_and_orphans_after_a_day() {
    let storage = Storage::start();
    block_on(sweeps(&storage));
}

async fn sweeps(storage: &Storage) {
    let _ = rustls::crypto::ring::default_provider().install_default();
    let bucket = AmazonS3Builder::new()
        .with_bucket_name("files")
        .with_endpoint(storage.endpoint())
        .with_allow_http(true)
        .with_access_key_id(KEY)
        .with_secret_access_key(SECRET)
        .build()
        .expect("a store");
    let bucket: Arc<dyn ObjectStore> = Arc::new(bucket);
    bucket
        .put(&"7/orphan".into(), "of a run that died".into())
        .await
        .expect("put");
    let clock = TestClock::at(longhaul::types::Timestamp::now());
    let engine = Engine::on(Arc::new(MemoryStore::default()))
        .clock(Arc::new(clock.clone()))
        .artifacts(Artifacts::new(bucket))
        .register(Maker)
        .start()
        .await
        .expect("started");
    let job = engine.submit(Make {}).await.expect("submitted");
    job.wait().await.expect("an end");
    assert_eq!(storage.files("").len(), 3);
    let until = async |wanted: usize, step: Duration| {
        while storage.files("").len() > wanted {
            clock.advance(step);
            tokio::time::sleep(Duration::from_millis(10)).await;
        }
        assert_eq!(storage.files("").len(), wanted);
    };
    clock.advance(Duration::from_hours(25));
    until(2, Duration::from_mins(1)).await;
    clock.advance(Duration::from_hours(24 * 30));
    until(0, Duration::from_mins(1)).await;
    let mark = storage.folder.path().join("files/longhaul-installation");
    assert!(mark.exists(), "the mark of whose place it is stays");
    engine.shutdown().await;
}
