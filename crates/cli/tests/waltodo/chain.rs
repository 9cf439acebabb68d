//! A lab with a Sui node.

use std::time::{Duration, Instant};

use longhaul_client::Client;
use longhaul_sandbox::sui::{Event, Network, Node, Object, Options};
use rustix::process::{Pid, Signal, kill_process};
use serde_json::{Value, json};

use crate::support::{Done, Lab, PATIENCE, done, is_alive};

/// The package of the todos.
pub(crate) const PACKAGE: &str = "0xa11";

/// A lab, and a node that its commands are told of.
pub(crate) struct Chain {
    pub(crate) lab: Lab,
    pub(crate) node: Node,
    runtime: tokio::runtime::Runtime,
}

impl Chain {
    pub(crate) fn new() -> Self {
        Self::with(Options::new().network(Network::Testnet))
    }

    pub(crate) fn with(options: Options) -> Self {
        let runtime = tokio::runtime::Builder::new_multi_thread()
            .worker_threads(1)
            .enable_all()
            .build()
            .expect("a runtime");
        let node = runtime.block_on(options.start()).expect("started");
        Self {
            lab: Lab::new(),
            node,
            runtime,
        }
    }

    /// Runs `waltodo` to its end.
    pub(crate) fn run(&self, args: &[&str]) -> Done {
        let mut command = self.lab.waltodo(args);
        command
            .env("SUI_RPC_URL", self.node.url())
            .env("TODO_PACKAGE_ID", PACKAGE);
        done(&mut command)
    }

    /// An object that names this blob by its address.
    pub(crate) fn object(&self, id: &str, title: &str, blob: &str) {
        let url = format!("https://aggregator.example/v1/blobs/{blob}");
        let json = json!({"id": id, "title": title, "image_url": url, "completed": false});
        let kind = format!("{PACKAGE}::todo_nft::TodoNFT");
        self.node
            .put_object(Object::new(id, kind, json))
            .expect("stored");
    }

    /// Makes a checkpoint in which these objects were made, and gives its number.
    pub(crate) fn created(&self, objects: impl IntoIterator<Item = u64>) -> u64 {
        let events = objects.into_iter().map(|object| {
            Event::new(
                format!("{PACKAGE}::todo_nft::TodoNFTCreated"),
                json!({"todo_id": long(object), "title": "Buy milk", "owner": "0x1", "timestamp": "7"}),
            )
        });
        self.node.emit(events).expect("emitted")
    }

    /// The commands of all fetch jobs, sorted.
    pub(crate) fn fetches(&self) -> Vec<String> {
        let jobs = self
            .run(&["jobs", "--limit", "1000", "--json"])
            .code(0)
            .json();
        let jobs = jobs["jobs"].as_array().expect("jobs").clone();
        let commands = jobs.iter().filter(|job| job["kind"] == "walrus.fetch");
        let mut commands: Vec<String> = commands
            .map(|job| job["labels"]["command"].as_str().expect("text").to_owned())
            .collect();
        commands.sort();
        commands
    }

    /// Waits until so many fetches were started, and sees that there is one for each of these objects.
    #[track_caller]
    pub(crate) fn fetched(&self, objects: impl IntoIterator<Item = u64>) {
        let objects = objects
            .into_iter()
            .map(|object| format!("fetch {}", long(object)));
        let mut wanted: Vec<String> = objects.collect();
        wanted.sort();
        until("all fetches are started", || {
            self.fetches().len() >= wanted.len()
        });
        assert_eq!(self.fetches(), wanted);
    }

    /// What a job shows under this name.
    pub(crate) fn metadata(&self, id: &str, name: &str) -> Value {
        self.lab.job(id)["progress"]["metadata"][name].clone()
    }

    /// Ends the server at once, wherever it is.
    pub(crate) fn kill_server(&self) {
        let client = Client::unix(self.lab.path("data").join("longhaul.sock")).expect("a client");
        let info = self.runtime.block_on(client.server()).expect("a server");
        let pid = i32::try_from(info.pid).ok().and_then(Pid::from_raw);
        kill_process(pid.expect("a process"), Signal::KILL).expect("sent");
        until("it is gone", || !is_alive(info.pid));
    }
}

/// Waits for a condition.
#[track_caller]
pub(crate) fn until(what: &str, met: impl Fn() -> bool) {
    let end = Instant::now() + PATIENCE;
    while !met() {
        assert!(Instant::now() < end, "never: {what}");
        std::thread::sleep(Duration::from_millis(20));
    }
}

/// An object's ID in full.
pub(crate) fn long(object: u64) -> String {
    format!("0x{object:064x}")
}
