//! The real server, followed by the clients that people use: socket.io-client and an `EventSource` in Node, and the dashboard
//! in a browser. `tests/e2e` has the programs, `script/setup` installs what they need.
#![expect(clippy::unwrap_used, reason = "a test that fails says where")]

mod dashboard;
mod docs;
mod follow;
#[path = "../longhaul/support.rs"]
#[expect(dead_code, reason = "shared with the tests of the commands")]
mod support;

use std::{
    net::TcpListener,
    path::{Path, PathBuf},
    time::Duration,
};

use serde_json::Value;
use support::{Lab, PATIENCE, Running, eventually};

/// A server on TCP, whose jobs run until a test lets them go.
struct Rig {
    lab: Lab,
    server: Option<Running>,
    port: u16,
}

impl Rig {
    fn new() -> Self {
        // A port that is free now; nobody else asks for one by number.
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let port = listener.local_addr().unwrap().port();
        drop(listener);
        let mut rig = Self {
            lab: Lab::new(),
            server: None,
            port,
        };
        rig.start();
        rig
    }

    /// Starts the server, again on the same port.
    fn start(&mut self) {
        let listen = format!("127.0.0.1:{}", self.port);
        self.server = Some(self.lab.start(&["serve", "--listen", &listen]));
        eventually("the server answers", || self.lab.server().is_some());
    }

    fn url(&self) -> String {
        format!("http://127.0.0.1:{}", self.port)
    }

    fn token(&self) -> PathBuf {
        self.lab.data().join("token")
    }

    /// A job that makes progress and ends once the test has let it go.
    fn job(&self) -> String {
        let script = "echo 10%; while [ ! -e ../go ]; do sleep 0.02; done; echo 90%";
        let percent = r"(\d+)%";
        let args = [
            "run",
            "--background",
            "--progress-pattern",
            percent,
            "--",
            "sh",
            "-c",
            script,
        ];
        let id = self.lab.run(&args).code(0).id();
        eventually("it runs", || self.lab.state(&id) == "running");
        id
    }

    fn let_go(&self) {
        self.lab.write("go", "");
    }

    /// A program of `tests/e2e` with these arguments.
    fn node(&self, program: &str, args: &[&str]) -> Node {
        let folder = e2e();
        assert!(
            folder.join("node_modules").is_dir(),
            "the clients are not installed: run script/setup"
        );
        let mut command = self.lab.program("node");
        command.arg(folder.join(program)).args(args);
        Node(Running::start(&mut command))
    }
}

fn e2e() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("../../tests/e2e")
}

/// What a client heard: the name and the body of each event.
type Heard = Vec<(String, Value)>;

/// A client that runs and says what it hears.
struct Node(Running);

impl Node {
    /// Waits until it has heard `event` so many times.
    #[track_caller]
    fn hears(&self, event: &str, times: usize) {
        eventually(event, || {
            let heard = heard(&self.0.stdout());
            heard.iter().filter(|(name, _)| name == event).count() >= times
        });
    }

    /// Waits for its end, and gives its exit code and all that it heard.
    #[track_caller]
    fn end(self) -> (Option<i32>, Heard) {
        self.end_within(PATIENCE)
    }

    /// The same, of a program that may take longer.
    #[track_caller]
    fn end_within(self, patience: Duration) -> (Option<i32>, Heard) {
        let done = self.0.done_within(patience);
        // Shown where a test fails.
        eprintln!("{done:?}");
        (done.code, heard(&done.stdout))
    }
}

fn bodies<'a>(heard: &'a Heard, event: &str) -> Vec<&'a Value> {
    let fitting = heard.iter().filter(|(name, _)| name == event);
    fitting.map(|(_, body)| body).collect()
}

fn heard(stdout: &str) -> Heard {
    let lines = stdout.lines();
    let lines = lines.filter_map(|line| serde_json::from_str::<Value>(line).ok());
    lines
        .map(|mut line| {
            (
                line["event"].as_str().unwrap().to_owned(),
                line["body"].take(),
            )
        })
        .collect()
}
