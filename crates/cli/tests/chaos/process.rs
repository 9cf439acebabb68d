//! A server or worker that is killed and frozen, and reaches what it needs through a proxy.

use std::{
    fs::OpenOptions,
    path::{Path, PathBuf},
    process::{Child, Command, Stdio},
    time::{Duration, Instant},
};

use longhaul_client::Client;
use rustix::process::{Pid, Signal, kill_process};

use super::{PATIENCE, SLOTS, proxy::Proxy};

/// Where its way out begins, called as PostgreSQL's socket.
const WAY: &str = "way/.s.PGSQL.5432";

/// What it does.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Role {
    /// It answers, and runs nothing.
    Server,
    /// It runs jobs.
    Worker,
    /// It has the jobs in a file of its own, and runs nothing.
    Alone,
    /// It runs jobs of a server, over HTTP.
    Remote,
}

/// A process in a folder of its own.
pub(crate) struct Process {
    role: Role,
    folder: PathBuf,
    pub(crate) proxy: Proxy,
    child: Child,
}

impl Process {
    /// Starts one that reaches what it needs at the socket `target`.
    pub(crate) fn start(folder: &Path, role: Role, target: PathBuf) -> Self {
        std::fs::create_dir_all(folder.join("home")).expect("a folder");
        std::fs::create_dir_all(folder.join("way")).expect("a folder");
        let proxy = Proxy::start(&folder.join(WAY), target);
        let child = spawn(folder, role);
        let folder = folder.to_owned();
        Self {
            role,
            folder,
            proxy,
            child,
        }
    }

    /// Its socket.
    pub(crate) fn socket(&self) -> PathBuf {
        self.folder.join("data/longhaul.sock")
    }

    /// Of its socket.
    pub(crate) fn client(&self) -> Client {
        Client::unix(self.socket()).expect("a client")
    }

    /// Waits until it answers, started again as often as it ends.
    pub(crate) async fn answers(&mut self) {
        let (client, end) = (self.client(), Instant::now() + PATIENCE);
        while client.ready().await.is_err() {
            assert!(Instant::now() < end, "no answer: {}", self.log());
            self.lives().await;
        }
    }

    /// Starts it again if it has ended, as one does that finds no database.
    pub(crate) async fn lives(&mut self) {
        if self.child.try_wait().expect("a status").is_some() {
            self.child = spawn(&self.folder, self.role);
        }
        tokio::time::sleep(Duration::from_millis(50)).await;
    }

    /// Kills it by SIGKILL, and waits until it is gone.
    pub(crate) fn kill(&mut self) {
        // It may be gone already.
        let _ = self.child.kill();
        let _ = self.child.wait();
    }

    pub(crate) fn freeze(&self) {
        self.signal(Signal::STOP);
    }

    pub(crate) fn thaw(&self) {
        self.signal(Signal::CONT);
    }

    fn signal(&self, signal: Signal) {
        let pid = i32::try_from(self.child.id()).ok().and_then(Pid::from_raw);
        // It may have ended by itself.
        let _ = kill_process(pid.expect("a process"), signal);
    }

    fn log(&self) -> String {
        std::fs::read_to_string(self.folder.join("log")).unwrap_or_default()
    }
}

impl Drop for Process {
    fn drop(&mut self) {
        self.kill();
    }
}

fn spawn(folder: &Path, role: Role) -> Child {
    let log = OpenOptions::new()
        .create(true)
        .append(true)
        .open(folder.join("log"))
        .expect("a log");
    let database = format!(
        "host={} user=longhaul dbname=postgres",
        folder.join("way").display()
    );
    let shared = ["--lease", "2", "--database-url", &database];
    let mut command = match role {
        Role::Remote => Command::new("python3"),
        _ => Command::new(env!("CARGO_BIN_EXE_longhaul")),
    };
    match role {
        Role::Server => command.args(["serve", "--no-worker"]).args(shared),
        Role::Worker => command
            .args(["work", "--concurrency", &SLOTS.to_string()])
            .args(shared),
        Role::Alone => command.args(["serve", "--no-worker"]),
        Role::Remote => command
            .arg(concat!(
                env!("CARGO_MANIFEST_DIR"),
                "/tests/chaos/remote.py"
            ))
            .args([&folder.join(WAY), &folder.join("../ran")])
            .arg("2"),
    };
    command
        .env_clear()
        .env("PATH", "/usr/local/bin:/usr/bin:/bin")
        .env("HOME", folder.join("home"))
        .env("LONGHAUL_DATA_DIR", folder.join("data"))
        .current_dir(folder.join("home"))
        .stdin(Stdio::null())
        .stdout(Stdio::null())
        .stderr(log)
        .spawn()
        .expect("it starts")
}
