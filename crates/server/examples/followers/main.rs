//! What followers cost: memory a client, latency of events, and what they take from submissions.
//!
//!     cargo run --release -p longhaul-server --example followers -- [CLIENTS [streams|sockets]]
//!
//! With a kind, only the memory of a client of that kind. The server is a process of its own, as it is beside its clients in use. Every client must get the job's end, or the
//! program fails; the other figures are printed as they are.
#![expect(clippy::unwrap_used, reason = "a measurement that fails says where")]
#![expect(clippy::cast_precision_loss, reason = "figures for people")]

mod clients;
mod server;
#[path = "../../tests/api/socketio.rs"]
mod socketio;

use std::{
    env, fs,
    process::Stdio,
    sync::Arc,
    time::{Duration, Instant},
};

use clients::{Follower, Kind};
use serde_json::{Value, json};
use tokio::{
    io::{AsyncBufReadExt, BufReader},
    process::{Child, Command},
    sync::Semaphore,
    task::JoinSet,
    time::sleep,
};

#[global_allocator]
static ALLOCATOR: mimalloc::MiMalloc = mimalloc::MiMalloc;

/// Handshakes at a time.
const AT_ONCE: usize = 64;
/// Connections that submit.
const SUBMITTERS: usize = 16;
/// How long submissions are counted.
const COUNTED: Duration = Duration::from_secs(5);
/// Followers while submissions are counted, and when latency is measured.
const FOLLOWERS: usize = 1000;
const FEW: usize = 100;

fn main() {
    let mut args = env::args().skip(1);
    let first = args.next();
    let runtime = tokio::runtime::Builder::new_multi_thread()
        .worker_threads(2)
        .enable_all()
        .build()
        .unwrap();
    if first.as_deref() == Some("server") {
        runtime.block_on(server::serve());
        return;
    }
    let clients = first.map_or(5000, |first| first.parse().unwrap());
    match args.next().as_deref() {
        None => runtime.block_on(async {
            events_and_submissions().await;
            memory(Kind::Stream, clients).await;
            memory(Kind::Socket, clients).await;
        }),
        Some("streams") => runtime.block_on(memory(Kind::Stream, clients)),
        Some("sockets") => runtime.block_on(memory(Kind::Socket, clients)),
        Some(other) => panic!("no kind of client: {other}"),
    }
}

/// How long events take to a few, and what a thousand take from submissions.
async fn events_and_submissions() {
    let bench = Bench::start().await;
    for kind in [Kind::Stream, Kind::Socket] {
        let job = bench.busy(50, 400).await;
        let crowd = bench.follow(&job, kind, FEW).await;
        bench.go().await;
        println!("{}, {FEW} followers: {}", kind.name(), crowd.end().await);
    }
    let without = bench.submissions().await;
    let job = bench.busy(30, 400).await;
    let streams = bench.follow(&job, Kind::Stream, FOLLOWERS / 2).await;
    let sockets = bench.follow(&job, Kind::Socket, FOLLOWERS / 2).await;
    bench.go().await;
    let with = bench.submissions().await;
    streams.end().await;
    sockets.end().await;
    println!(
        "submissions a second: {without:.0} without, {with:.0} with {FOLLOWERS} followers of a busy job, {:.2} x (target 0.9)",
        with / without
    );
}

/// What so many clients of a kind cost, in a server of their own: what the other kind left in memory would be taken again.
async fn memory(kind: Kind, clients: usize) {
    let bench = Bench::start().await;
    let before = bench.memory();
    let job = bench.busy(40, 500).await;
    let crowd = bench.follow(&job, kind, clients).await;
    let quiet = bench.memory().saturating_sub(before);
    bench.go().await;
    let ended = crowd.end().await;
    // The most that it ever had, of which a part was the job's.
    let busy = bench.peak().saturating_sub(before);
    let each = |bytes: u64| bytes as f64 / 1024.0 / clients as f64;
    println!(
        "{}, {clients} followers: {:.1} KiB each while all is quiet, {:.1} KiB at most (target 40); {ended}",
        kind.name(),
        each(quiet),
        each(busy)
    );
}

/// A server in a process of its own.
struct Bench {
    server: Child,
    address: String,
    http: reqwest::Client,
    _folder: tempfile::TempDir,
}

/// Followers of one job.
struct Crowd {
    tasks: JoinSet<Option<clients::Heard>>,
    clients: usize,
}

impl Bench {
    async fn start() -> Self {
        let folder =
            tempfile::tempdir_in(env::var_os("LONGHAUL_BENCH_DIR").unwrap_or(".".into())).unwrap();
        let mut command = Command::new(env::current_exe().unwrap());
        let mut server = command
            .arg("server")
            .arg(folder.path())
            .stdout(Stdio::piped())
            .kill_on_drop(true)
            .spawn()
            .unwrap();
        let mut line = String::new();
        let stdout = server.stdout.take().unwrap();
        BufReader::new(stdout).read_line(&mut line).await.unwrap();
        longhaul_client::Client::unix("unused").unwrap();
        Self {
            server,
            address: line.trim().to_owned(),
            http: reqwest::Client::builder()
                .tls_certs_only([])
                .no_proxy()
                .build()
                .unwrap(),
            _folder: folder,
        }
    }

    /// Bytes in memory now.
    fn memory(&self) -> u64 {
        self.status("VmRSS:")
    }

    /// The most bytes in memory that there ever were.
    fn peak(&self) -> u64 {
        self.status("VmHWM:")
    }

    fn status(&self, name: &str) -> u64 {
        let pid = self.server.id().unwrap();
        let status = fs::read_to_string(format!("/proc/{pid}/status")).unwrap();
        let line = status.lines().find(|line| line.starts_with(name)).unwrap();
        let kib: u64 = line.split_whitespace().nth(1).unwrap().parse().unwrap();
        kib * 1024
    }

    async fn submit(&self, kind: &str, args: &Value) -> String {
        let answer = self
            .http
            .post(format!("http://{}/api/v1/jobs", self.address))
            .bearer_auth(server::TOKEN)
            .json(&json!({"kind": kind, "args": args}))
            .send()
            .await
            .unwrap();
        let answer: Value = answer.json().await.unwrap();
        answer["jobId"].as_str().unwrap().to_owned()
    }

    /// Starts a job that says so many times what time it is, every so many milliseconds, once it may [go](Self::go).
    async fn busy(&self, ticks: u64, every: u64) -> String {
        let args = json!({"ticks": ticks, "every": every});
        let job = self.submit("bench.busy", &args).await;
        let url = format!("http://{}/api/v1/jobs/{job}", self.address);
        loop {
            let view = self
                .http
                .get(&url)
                .bearer_auth(server::TOKEN)
                .send()
                .await
                .unwrap();
            let view: Value = view.json().await.unwrap();
            if view["state"] == "running" {
                return job;
            }
            sleep(Duration::from_millis(10)).await;
        }
    }

    async fn go(&self) {
        self.submit("bench.go", &json!({})).await;
    }

    /// So many followers of a job; the server has answered each.
    async fn follow(&self, job: &str, kind: Kind, clients: usize) -> Crowd {
        let mut tasks = JoinSet::new();
        let turns = Arc::new(Semaphore::new(AT_ONCE));
        let (there, mut came) = tokio::sync::mpsc::channel(AT_ONCE);
        for _ in 0..clients {
            let (address, job) = (self.address.clone(), job.to_owned());
            let (turns, there) = (Arc::clone(&turns), there.clone());
            tasks.spawn(async move {
                let turn = turns.acquire_owned().await.unwrap();
                let follower = Follower::connect(kind, &address, &job).await;
                drop(turn);
                there.send(()).await.unwrap();
                drop(there);
                follower.until_the_end().await
            });
        }
        drop(there);
        while came.recv().await.is_some() {}
        Crowd { tasks, clients }
    }

    /// Jobs submitted in a second over some connections.
    async fn submissions(&self) -> f64 {
        let end = Instant::now() + COUNTED;
        let mut tasks = JoinSet::new();
        for _ in 0..SUBMITTERS {
            let (http, url) = (
                self.http.clone(),
                format!("http://{}/api/v1/jobs", self.address),
            );
            tasks.spawn(async move {
                let mut count = 0_u32;
                while Instant::now() < end {
                    let body = json!({"kind": "bench.none", "args": {}});
                    let post = http.post(&url).bearer_auth(server::TOKEN).json(&body);
                    let answer = post.send().await.unwrap();
                    assert_eq!(answer.status(), 202);
                    answer.bytes().await.unwrap();
                    count += 1;
                }
                count
            });
        }
        let counts = tasks.join_all().await;
        // What was submitted is run before anything else is measured.
        sleep(Duration::from_secs(2)).await;
        f64::from(counts.iter().sum::<u32>()) / COUNTED.as_secs_f64()
    }
}

impl Crowd {
    /// Waits until all have got the job's end, and says how long its events took.
    async fn end(self) -> String {
        let heard = self.tasks.join_all().await;
        let heard: Vec<_> = heard.into_iter().flatten().collect();
        assert_eq!(heard.len(), self.clients, "followers got the end");
        let missed: u32 = heard.iter().map(|heard| heard.missed).sum();
        let mut latencies: Vec<u64> = heard.into_iter().flat_map(|heard| heard.micros).collect();
        latencies.sort_unstable();
        let at = |percent: usize| latencies[(latencies.len() - 1) * percent / 100] as f64 / 1000.0;
        format!(
            "all got the end, {missed} missed some; handler to client p50 {:.1} ms, p99 {:.1} ms over {} messages",
            at(50),
            at(99),
            latencies.len()
        )
    }
}
