//! A server with an engine in memory, and kinds that do as a test tells them.

use std::{sync::Arc, time::Duration};

use longhaul::{
    Context, Engine, Failure, Handler, Outcome,
    artifacts::Artifacts,
    handler::Policy,
    testing::MemoryStore,
    types::{JobId, State, body::SubmitRequest},
};
use longhaul_client::{Client, Token};
use longhaul_server::{AdminToken, Handle, LocalOnly, Metrics, Options, Server, bulk::BulkJob};
use serde::{Deserialize, Serialize};
use serde_json::{Value, json};
use tempfile::TempDir;
use tokio::sync::watch;

pub(crate) const TOKEN: &str = "0123456789abcdef0123456789abcdef";

/// Answers with its args, or fails with the text in `fail`.
struct Echo;

impl Handler for Echo {
    const KIND: &'static str = "test.echo";
    type Args = Value;
    type Output = Value;

    async fn run(&self, args: Value, job: &Context) -> Result<Outcome<Value>, Failure> {
        job.info("echoing");
        job.observe("quality", 92.0);
        if args.get("again").is_some() && job.attempt() == 1 {
            return Err(Failure::retry_after(Duration::ZERO, "not_yet", "not yet"));
        }
        if let Some(message) = args.get("fail").and_then(Value::as_str) {
            return Err(Failure::fatal("told_to", message));
        }
        Ok(Outcome::Done(args))
    }
}

#[derive(Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct Nothing {}

/// Reports, then waits until the gate is open.
struct Gate(watch::Receiver<u64>);

impl Handler for Gate {
    const KIND: &'static str = "test.gate";
    type Args = Nothing;
    type Output = Value;

    async fn run(&self, _: Nothing, job: &Context) -> Result<Outcome<Value>, Failure> {
        job.progress().set(1, 4).task("Opening the gate");
        let mut gate = self.0.clone();
        tokio::select! {
            stage = gate.wait_for(|stage| *stage > 0) => drop(stage?),
            stop = job.stopped() => return Err(stop.into()),
        }
        job.progress().set(2, 4).task("Closing the gate");
        job.info("the gate is open");
        tokio::select! {
            stage = gate.wait_for(|stage| *stage > 1) => drop(stage?),
            stop = job.stopped() => return Err(stop.into()),
        }
        Ok(Outcome::Done(json!({"open": true})))
    }

    fn policy(&self) -> Policy {
        Policy {
            queue: "gates".to_owned(),
            ..Policy::default()
        }
    }
}

/// Writes 25 lines.
struct Lines;

impl Handler for Lines {
    const KIND: &'static str = "test.lines";
    type Args = Nothing;
    type Output = ();

    async fn run(&self, _: Nothing, job: &Context) -> Result<Outcome<()>, Failure> {
        for number in 1..=25 {
            job.info(format!("line {number}"));
        }
        Ok(Outcome::Done(()))
    }
}

/// Three items, of which `b` fails, and a file of 26 letters.
struct Parts;

impl Handler for Parts {
    const KIND: &'static str = "test.parts";
    type Args = Nothing;
    type Output = Value;

    async fn run(&self, _: Nothing, job: &Context) -> Result<Outcome<Value>, Failure> {
        job.declare_items(["a", "b", "c"]).await?;
        for name in ["a", "b", "c"] {
            let item = job.item(name).attempts(1);
            let done = item.run(|_| async move {
                match name {
                    "b" => Err(Failure::fatal("broken", "b is broken")),
                    name => Ok(name.to_uppercase()),
                }
            });
            // What failed is in the item; the job goes on.
            let _ = done.await;
        }
        let letters = (b'a'..=b'z').collect::<Vec<u8>>();
        let page = "<script>alert(1)</script>";
        let files = job.artifacts();
        files.put("dir/letters.txt", "text/plain", letters).await?;
        files.put("page.html", "text/html", page.as_bytes()).await?;
        files
            .put("empty", "application/x-empty", Vec::new())
            .await?;
        Ok(Outcome::Done(json!({"made": 3})))
    }
}

/// A server and all that belongs to it.
pub(crate) struct Rig {
    pub(crate) folder: TempDir,
    pub(crate) engine: Engine,
    pub(crate) gate: watch::Sender<u64>,
    pub(crate) handle: Handle,
    pub(crate) client: Client,
}

impl Rig {
    /// On a unix socket.
    pub(crate) async fn new() -> Self {
        Self::with(|options| options).await
    }

    /// On a unix socket and TCP with [`TOKEN`].
    pub(crate) async fn tcp() -> Self {
        Self::with(|options| {
            options
                .tcp(([127, 0, 0, 1], 0).into())
                .token(AdminToken::new(TOKEN).unwrap())
                .admission(LocalOnly::kinds(["test.gate"]))
        })
        .await
    }

    pub(crate) async fn with(change: impl FnOnce(Options) -> Options) -> Self {
        let folder = tempfile::tempdir().unwrap();
        let gate = watch::Sender::new(0);
        let metrics = Metrics::default();
        let engine = Engine::on(Arc::new(MemoryStore::default()))
            .artifacts(Artifacts::folder(&folder.path().join("artifacts")).unwrap())
            .observer(metrics.clone())
            .scratch(folder.path().join("scratch"))
            .register(Echo)
            .register(Gate(gate.subscribe()))
            .register(Lines)
            .register(Parts)
            .register(BulkJob)
            .start()
            .await
            .unwrap();
        let socket = folder.path().join("data/socket");
        let options = change(Options::new("1.2.3", "b7").socket(&socket).metrics(metrics));
        let server = Server::bind(engine.clone(), options).await.unwrap();
        Self {
            folder,
            engine,
            gate,
            handle: server.start(),
            client: Client::unix(&socket).unwrap(),
        }
    }

    /// The address of the TCP door.
    pub(crate) fn url(&self, path: &str) -> String {
        format!("http://{}{path}", self.handle.tcp().unwrap())
    }

    /// A client of the TCP door that shows the token.
    pub(crate) fn far(&self) -> Client {
        Client::tcp(&self.url(""), Some(Token::new(TOKEN).unwrap())).unwrap()
    }

    /// Bare HTTP over the unix socket.
    pub(crate) fn bare(&self) -> reqwest::Client {
        let socket = self.handle.socket().unwrap().to_owned();
        bare().unix_socket(socket).build().unwrap()
    }

    /// Starts a job over the socket.
    pub(crate) async fn submit(&self, kind: &str, args: Value) -> JobId {
        let answer = self.client.submit(&request(kind, args)).await.unwrap();
        answer.job_id
    }

    /// Waits until a job is in `state`.
    pub(crate) async fn until(&self, id: &JobId, state: State) {
        let mut events = self.client.job_events(id).await.unwrap();
        within(async {
            while self.client.job(id).await.unwrap().state != state {
                events.next().await.unwrap().expect("the stream goes on");
            }
        })
        .await;
    }

    pub(crate) async fn stop(self) {
        self.handle.stop();
        within(self.handle.wait()).await;
        within(self.engine.shutdown()).await;
        drop(self.folder);
    }
}

pub(crate) fn request(kind: &str, args: Value) -> SubmitRequest {
    SubmitRequest {
        kind: kind.to_owned(),
        args,
        ..SubmitRequest::default()
    }
}

/// Bare HTTP.
pub(crate) fn bare() -> reqwest::ClientBuilder {
    // The client installs the provider that all share.
    Client::unix("unused").unwrap();
    reqwest::Client::builder().tls_certs_only([]).no_proxy()
}

/// What must come, and soon.
pub(crate) async fn within<F: Future>(what: F) -> F::Output {
    let deadline = Duration::from_secs(10);
    tokio::time::timeout(deadline, what)
        .await
        .expect("it comes")
}
