//! docs/remote-workers.md: its worker, as it stands there, against the shipped server; killed, frozen, and left without one.

use std::{fs, path::Path, process::Command};

use longhaul_client::Client;
use longhaul_types::State;
use rustix::process::Signal;
use serde_json::Value;

use crate::support::{Lab, Running, block_on, eventually};

/// A server on TCP, and the worker of the document.
struct Site {
    lab: Lab,
    server: Option<Running>,
    address: String,
}

impl Site {
    fn new() -> Self {
        let lab = Lab::new();
        lab.write("worker.py", &worker_of_the_document());
        // Chosen now and kept, so that the worker finds the next server too.
        let port = std::net::TcpListener::bind("127.0.0.1:0").and_then(|free| free.local_addr());
        let mut site = Self {
            lab,
            server: None,
            address: port.expect("a free port").to_string(),
        };
        site.serve();
        site
    }

    fn serve(&mut self) {
        self.server = Some(self.lab.start(&["serve", "--listen", &self.address]));
        eventually("the server answers", || self.lab.server().is_some());
    }

    fn worker(&self, lease: u32) -> Running {
        let mut command: Command = self.lab.program("python3");
        command
            .arg(self.lab.path("worker.py"))
            .arg(format!("http://{}", self.address))
            .arg(self.lab.data().join("token"))
            .arg(lease.to_string());
        let before = self.remote().len();
        let worker = Running::start(&mut command);
        eventually("the worker has joined", || self.remote().len() > before);
        worker
    }

    /// Remote workers that live.
    fn remote(&self) -> Vec<Value> {
        let page = self.lab.run(&["workers", "--json"]).code(0).json();
        let workers = page["workers"].as_array().expect("a list").clone();
        workers
            .into_iter()
            .filter(|worker| worker["place"] == "remote")
            .collect()
    }

    fn count(&self, to: u32, pause: f64) -> String {
        let args = format!("{{\"to\":{to},\"pause\":{pause}}}");
        self.lab.run(&["submit", "demo.count", &args]).code(0).id()
    }

    fn counted(&self, id: &str) -> u64 {
        self.lab.job(id)["progress"]["current"]
            .as_u64()
            .unwrap_or(0)
    }

    /// How the attempts ended that did not complete the job.
    fn attempts(&self, id: &str) -> Vec<String> {
        let client = Client::unix(self.lab.socket()).expect("a client");
        let attempts = block_on(client.attempts(&id.parse().expect("an id")));
        let attempts = attempts.expect("attempts").into_iter();
        attempts.map(|attempt| attempt.end).collect()
    }

    fn until(&self, id: &str, state: State) {
        eventually(state.as_str(), || self.lab.state(id) == state.as_str());
    }
}

fn worker_of_the_document() -> String {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../docs/remote-workers.md");
    let text = fs::read_to_string(path).expect("the document");
    let (_, rest) = text.split_once("```python\n").expect("a worker");
    let (worker, _) = rest.split_once("```\n").expect("its end");
    let lines = worker.lines().filter(|line| !line.is_empty()).count();
    assert!(lines <= 30, "{lines} lines");
    worker.to_owned()
}

#[test]
fn the_worker_of_the_document_does_a_job_and_hears_of_a_cancel() {
    let site = Site::new();
    let worker = site.worker(30);
    let id = site.count(3, 0.01);
    site.until(&id, State::Completed);
    let job = site.lab.job(&id);
    assert_eq!(job["results"]["counted"], 3);
    assert_eq!(job["progress"]["percentage"], 100);
    let log = site.lab.run(&["logs", &id]).code(0);
    assert!(log.stdout.contains("counted 2"), "{log:?}");

    let endless = site.count(100_000, 1.0);
    eventually("it counts", || site.counted(&endless) > 0);
    let listed = site.lab.run(&["workers"]).code(0);
    let line = listed
        .stdout
        .lines()
        .find(|line| line.starts_with("counter"));
    assert!(line.expect("a line").contains(&endless), "{listed:?}");
    site.lab.run(&["cancel", &endless]).code(0);
    site.until(&endless, State::Cancelled);
    let next = site.count(1, 0.0);
    site.until(&next, State::Completed);
    assert_eq!(worker.stderr(), "");
}

#[test]
fn a_killed_workers_job_is_done_by_another() {
    let site = Site::new();
    let first = site.worker(5);
    let id = site.count(8, 0.5);
    eventually("it counts", || site.counted(&id) > 0);
    first.signal(Signal::KILL);
    let _second = site.worker(30);
    site.until(&id, State::Completed);
    assert_eq!(site.attempts(&id), ["rescued"]);
}

#[test]
fn a_frozen_workers_writes_are_refused_and_nothing_is_done_twice() {
    let site = Site::new();
    let first = site.worker(4);
    let id = site.count(6, 1.0);
    eventually("it counts", || site.counted(&id) > 0);
    first.signal(Signal::STOP);
    eventually("its lease ends", || site.lab.state(&id) == "pending");
    let _second = site.worker(30);
    site.until(&id, State::Running);
    first.signal(Signal::CONT);
    // It finds that its claim is lost, and then that it is unknown.
    eventually("it is refused", || first.stderr().contains("claim_lost"));
    let ended = first.done();
    assert_ne!(ended.code, Some(0), "{ended:?}");
    site.until(&id, State::Completed);
    let log = site.lab.run(&["logs", &id]).code(0).stdout;
    assert_eq!(log.matches("counted 6").count(), 1, "{log}");
    assert_eq!(site.attempts(&id), ["rescued"]);
}

#[test]
fn a_worker_goes_on_under_the_next_server() {
    let mut site = Site::new();
    let worker = site.worker(30);
    let id = site.count(20, 0.5);
    eventually("it counts", || site.counted(&id) > 1);
    site.lab.kill_server();
    site.server = None;
    site.serve();
    assert_eq!(site.lab.state(&id), "running", "the lease goes on");
    let counted = site.counted(&id);
    eventually("it counts on", || site.counted(&id) > counted);
    site.until(&id, State::Completed);
    assert_eq!(site.attempts(&id), [""; 0]);
    assert_eq!(worker.stderr(), "");
}
