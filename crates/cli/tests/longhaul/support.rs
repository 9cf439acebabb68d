//! A data folder with its server, and commands run against it. Nothing of it outlives the test.

use std::{
    fs,
    path::{Path, PathBuf},
    process::{Child, Command, ExitStatus, Stdio},
    sync::{Arc, Mutex},
    thread::JoinHandle,
    time::{Duration, Instant},
};

use longhaul::store::sqlite::SqliteStore;
use longhaul_client::Client;
use longhaul_types::body::ServerInfo;
use rustix::process::{Pid, Signal, kill_process};
use serde_json::Value;

/// How long something that must happen may take on a busy machine.
pub(crate) const PATIENCE: Duration = Duration::from_mins(1);

/// A data folder, and a home without settings.
pub(crate) struct Lab {
    root: tempfile::TempDir,
}

/// What a command did.
#[derive(Debug)]
pub(crate) struct Done {
    pub(crate) code: Option<i32>,
    pub(crate) stdout: String,
    pub(crate) stderr: String,
}

impl Done {
    /// With this exit code.
    #[track_caller]
    pub(crate) fn code(self, code: i32) -> Self {
        assert_eq!(self.code, Some(code), "{self:?}");
        self
    }

    /// Standard output as one JSON value.
    #[track_caller]
    pub(crate) fn json(&self) -> Value {
        serde_json::from_str(&self.stdout).unwrap_or_else(|error| panic!("{error}: {self:?}"))
    }

    /// Standard output as a JSON value a line.
    #[track_caller]
    pub(crate) fn json_lines(&self) -> Vec<Value> {
        let lines = self.stdout.lines();
        lines
            .map(|line| {
                serde_json::from_str(line).unwrap_or_else(|error| panic!("{error}: {line}"))
            })
            .collect()
    }

    /// Standard output, a job's id.
    pub(crate) fn id(&self) -> String {
        self.stdout.trim().to_owned()
    }
}

impl Lab {
    pub(crate) fn new() -> Self {
        let root = tempfile::tempdir().expect("a folder");
        fs::create_dir(root.path().join("home")).expect("a home");
        Self { root }
    }

    pub(crate) fn path(&self, name: &str) -> PathBuf {
        self.root.path().join(name)
    }

    pub(crate) fn data(&self) -> PathBuf {
        self.path("data")
    }

    pub(crate) fn socket(&self) -> PathBuf {
        self.data().join("longhaul.sock")
    }

    /// `program`, in this lab's environment and nothing else's.
    pub(crate) fn program(&self, program: impl AsRef<Path>) -> Command {
        let mut command = Command::new(program.as_ref());
        command
            .env_clear()
            .env("PATH", "/usr/local/bin:/usr/bin:/bin")
            .env("HOME", self.path("home"))
            .env("LONGHAUL_DATA_DIR", self.data())
            .current_dir(self.path("home"))
            .stdin(Stdio::null());
        command
    }

    /// `longhaul` with these arguments.
    pub(crate) fn longhaul(&self, args: &[&str]) -> Command {
        let mut command = self.program(env!("CARGO_BIN_EXE_longhaul"));
        command.args(args);
        command
    }

    /// Runs `longhaul` to its end.
    pub(crate) fn run(&self, args: &[&str]) -> Done {
        done(&mut self.longhaul(args))
    }

    /// Starts `longhaul` and leaves it running; what it prints is gathered.
    pub(crate) fn start(&self, args: &[&str]) -> Running {
        Running::start(&mut self.longhaul(args))
    }

    /// A job in the background that runs this shell script; its id.
    pub(crate) fn script(&self, script: &str) -> String {
        self.run(&["run", "--background", "--", "sh", "-c", script])
            .code(0)
            .id()
    }

    /// The job as the server shows it.
    pub(crate) fn job(&self, id: &str) -> Value {
        self.run(&["status", id, "--json"]).code(0).json()
    }

    pub(crate) fn state(&self, id: &str) -> String {
        self.job(id)["state"]
            .as_str()
            .unwrap_or_default()
            .to_owned()
    }

    /// The server that answers now.
    pub(crate) fn server(&self) -> Option<ServerInfo> {
        let client = Client::unix(self.socket()).expect("a client");
        block_on(client.server()).ok()
    }

    #[track_caller]
    pub(crate) fn server_pid(&self) -> i32 {
        let info = self.server().expect("a server runs");
        i32::try_from(info.pid).expect("a small number")
    }

    /// Kills the server the hard way.
    #[track_caller]
    pub(crate) fn kill_server(&self) -> i32 {
        let pid = self.server_pid();
        signal(pid, Signal::KILL);
        eventually("the server is gone", || !is_alive(pid));
        pid
    }

    /// What the server in the background said.
    pub(crate) fn log(&self) -> String {
        fs::read_to_string(self.data().join("serve.log")).unwrap_or_default()
    }

    pub(crate) fn write(&self, name: &str, text: &str) -> PathBuf {
        let path = self.path(name);
        fs::write(&path, text).expect("written");
        path
    }

    pub(crate) fn read(&self, name: &str) -> String {
        fs::read_to_string(self.path(name)).unwrap_or_default()
    }
}

impl Drop for Lab {
    fn drop(&mut self) {
        if let Some(info) = self.server() {
            let client = Client::unix(self.socket()).expect("a client");
            if block_on(client.stop_server()).is_err()
                && let Ok(pid) = i32::try_from(info.pid)
            {
                signal(pid, Signal::KILL);
            }
        }
        if self.data().join("jobs.db.lock").exists() {
            let database = self.data().join("jobs.db");
            let end = Instant::now() + PATIENCE;
            while SqliteStore::lock(&database).is_err() && Instant::now() < end {
                std::thread::sleep(Duration::from_millis(5));
            }
        }
    }
}

/// Runs a command to its end.
pub(crate) fn done(command: &mut Command) -> Done {
    Running::start(command).done()
}

/// A command that runs.
pub(crate) struct Running {
    child: Child,
    stdout: Gathered,
    stderr: Gathered,
}

/// What a pipe gave so far, gathered by a thread.
struct Gathered {
    text: Arc<Mutex<String>>,
    thread: Option<JoinHandle<()>>,
}

impl Gathered {
    fn from(mut pipe: impl std::io::Read + Send + 'static) -> Self {
        let text = Arc::new(Mutex::new(String::new()));
        let all = Arc::clone(&text);
        let thread = std::thread::spawn(move || {
            let mut chunk = [0; 4096];
            while let Ok(count @ 1..) = pipe.read(&mut chunk) {
                let piece = String::from_utf8_lossy(&chunk[..count]).into_owned();
                all.lock().expect("a lock").push_str(&piece);
            }
        });
        Self {
            text,
            thread: Some(thread),
        }
    }

    fn now(&self) -> String {
        self.text.lock().expect("a lock").clone()
    }
}

impl Running {
    pub(crate) fn start(command: &mut Command) -> Self {
        let mut child = command
            .stdout(Stdio::piped())
            .stderr(Stdio::piped())
            .spawn()
            .expect("it starts");
        Self {
            stdout: Gathered::from(child.stdout.take().expect("a pipe")),
            stderr: Gathered::from(child.stderr.take().expect("a pipe")),
            child,
        }
    }

    pub(crate) fn pid(&self) -> i32 {
        i32::try_from(self.child.id()).expect("a small number")
    }

    pub(crate) fn stdout(&self) -> String {
        self.stdout.now()
    }

    pub(crate) fn stderr(&self) -> String {
        self.stderr.now()
    }

    pub(crate) fn signal(&self, signal: Signal) {
        self::signal(self.pid(), signal);
    }

    /// Waits for its end.
    #[track_caller]
    pub(crate) fn done(self) -> Done {
        self.done_within(PATIENCE)
    }

    /// The same, of a command that may take longer.
    #[track_caller]
    pub(crate) fn done_within(mut self, patience: Duration) -> Done {
        let mut status: Option<ExitStatus> = None;
        within(patience, "the command ends", || {
            status = self.child.try_wait().expect("a status");
            status.is_some()
        });
        for gathered in [&mut self.stdout, &mut self.stderr] {
            if let Some(thread) = gathered.thread.take() {
                thread.join().expect("gathered");
            }
        }
        Done {
            code: status.and_then(|status| status.code()),
            stdout: self.stdout(),
            stderr: self.stderr(),
        }
    }
}

impl Drop for Running {
    fn drop(&mut self) {
        // Of a test that failed, or a server: it must not outlive the test.
        if let Ok(None) = self.child.try_wait() {
            let _ = self.child.kill();
            let _ = self.child.wait();
        }
    }
}

/// Waits until `condition` holds.
#[track_caller]
pub(crate) fn eventually(what: &str, condition: impl FnMut() -> bool) {
    within(PATIENCE, what, condition);
}

#[track_caller]
fn within(patience: Duration, what: &str, mut condition: impl FnMut() -> bool) {
    let end = Instant::now() + patience;
    while !condition() {
        assert!(Instant::now() < end, "not within {patience:?}: {what}");
        std::thread::sleep(Duration::from_millis(5));
    }
}

pub(crate) fn signal(pid: i32, signal: Signal) {
    let pid = Pid::from_raw(pid).expect("a process");
    // It may be gone already.
    let _ = kill_process(pid, signal);
}

/// Whether the process lives, and does not only wait to be reaped.
pub(crate) fn is_alive(pid: i32) -> bool {
    let Ok(stat) = fs::read_to_string(format!("/proc/{pid}/stat")) else {
        return false;
    };
    let (_, rest) = stat.rsplit_once(')').expect("a name");
    let fields: Vec<&str> = rest.split_whitespace().collect();
    // A leader that was killed shows so while other threads of its process still hold its locks.
    !(matches!(fields[0], "Z" | "X") && matches!(fields[17], "0" | "1"))
}

/// The number in a file that a script wrote, once it is there.
#[track_caller]
pub(crate) fn number_in(path: &Path) -> i32 {
    let mut number = None;
    eventually("a number is written", || {
        number = fs::read_to_string(path)
            .ok()
            .filter(|text| text.ends_with('\n'))
            .and_then(|text| text.trim().parse().ok());
        number.is_some()
    });
    number.expect("a number")
}

pub(crate) fn block_on<F: Future>(future: F) -> F::Output {
    tokio::runtime::Builder::new_current_thread()
        .enable_all()
        .build()
        .expect("a runtime")
        .block_on(future)
}
