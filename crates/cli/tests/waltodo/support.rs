//! A data folder, lists, an aggregator and commands run against them. Nothing of it outlives the test.

use std::{
    fs,
    path::{Path, PathBuf},
    process::{Command, Stdio},
    time::{Duration, Instant},
};

use longhaul_client::Client;
use longhaul_sandbox::aggregator::{Aggregator, BlobName, Fault, Rule};
use longhaul_types::body::SubmitRequest;
use longhaul_walrus::blob_id::{self, BlobId};
use rustix::process::{Pid, Signal, kill_process};
use serde_json::{Value, json};

/// How long something that must happen may take on a busy machine.
pub(crate) const PATIENCE: Duration = Duration::from_mins(2);

/// Everything a command needs.
pub(crate) struct Lab {
    root: tempfile::TempDir,
    pub(crate) sandbox: Aggregator,
    runtime: tokio::runtime::Runtime,
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

    /// The id that was printed at the start.
    #[track_caller]
    pub(crate) fn id(&self) -> String {
        let line = self.stdout.lines().find_map(|l| l.strip_prefix("Job ID: "));
        line.unwrap_or_else(|| panic!("no id: {self:?}")).to_owned()
    }

    /// Standard output with this id as `ID`, and durations as `N.Ns`.
    pub(crate) fn plain(&self, id: &str) -> String {
        let text = self.stdout.replace(id, "ID");
        let lines = text.lines().map(|line| match line.split_once(": ") {
            Some((name @ "Duration", _)) => format!("{name}: N.Ns"),
            _ => line.to_owned(),
        });
        lines.collect::<Vec<_>>().join("\n")
    }
}

impl Lab {
    pub(crate) fn new() -> Self {
        let root = tempfile::tempdir().expect("a folder");
        for name in ["home", "lists", "blobs"] {
            fs::create_dir(root.path().join(name)).expect("a folder");
        }
        let runtime = tokio::runtime::Builder::new_multi_thread()
            .worker_threads(1)
            .enable_all()
            .build()
            .expect("a runtime");
        let sandbox = runtime
            .block_on(Aggregator::start(root.path().join("blobs")))
            .expect("started");
        Self {
            root,
            sandbox,
            runtime,
        }
    }

    pub(crate) fn path(&self, name: &str) -> PathBuf {
        self.root.path().join(name)
    }

    /// A program in this lab's environment and nothing else's.
    pub(crate) fn program(&self, program: &str, args: &[&str]) -> Command {
        let mut command = Command::new(program);
        command
            .args(args)
            .env_clear()
            .env("PATH", "/usr/local/bin:/usr/bin:/bin")
            .env("HOME", self.path("home"))
            .env("LONGHAUL_DATA_DIR", self.path("data"))
            .env("TODO_DATA_PATH", self.path("lists"))
            .env("WALRUS_AGGREGATOR_URL", self.sandbox.url())
            // Other tests are other work.
            .env("WALTODO_FULL_SPEED", "true")
            .current_dir(self.path("home"))
            .stdin(Stdio::null());
        command
    }

    pub(crate) fn waltodo(&self, args: &[&str]) -> Command {
        self.program(env!("CARGO_BIN_EXE_waltodo"), args)
    }

    /// Runs lines of a shell, which finds the program by its name.
    pub(crate) fn shell(&self, script: &str) -> Done {
        let program = Path::new(env!("CARGO_BIN_EXE_waltodo"));
        let folder = program.parent().expect("a folder").display();
        let mut command = self.program("/bin/sh", &["-c", script]);
        command.env("PATH", format!("{folder}:/usr/local/bin:/usr/bin:/bin"));
        done(&mut command)
    }

    /// Runs `waltodo` to its end.
    pub(crate) fn run(&self, args: &[&str]) -> Done {
        done(&mut self.waltodo(args))
    }

    /// Runs `longhaul` to its end.
    pub(crate) fn longhaul(&self, args: &[&str]) -> Done {
        done(&mut self.program(env!("CARGO_BIN_EXE_longhaul"), args))
    }

    /// A blob on the aggregator.
    pub(crate) fn blob(&self, bytes: &[u8]) -> String {
        let length = bytes.len() as u64;
        let id = blob_id::compute(&bytes.to_vec(), length, &blob_id::Options::default());
        let id = id.expect("an ID").to_string();
        self.sandbox.put(&id, bytes).expect("stored");
        id
    }

    /// A todo on the aggregator.
    pub(crate) fn todo(&self, title: &str) -> String {
        self.blob(&serde_json::to_vec_pretty(&json!({"id": title, "title": title})).expect("json"))
    }

    /// A list of todos with these titles and blobs.
    pub(crate) fn list(&self, name: &str, todos: &[(String, String)]) {
        let todos: Vec<Value> = todos
            .iter()
            .map(|(title, blob)| json!({"id": title, "title": title, "walrusBlobId": blob}))
            .collect();
        let list = json!({"id": name, "name": name, "owner": "me", "version": 1, "todos": todos});
        let path = self.path("lists").join(format!("{name}.json"));
        fs::write(path, list.to_string()).expect("written");
    }

    /// A list of so many small todos; their blobs.
    pub(crate) fn todos(&self, name: &str, count: usize) -> Vec<(String, String)> {
        let todos: Vec<(String, String)> = (1..=count)
            .map(|number| format!("todo {number}"))
            .map(|title| (title.clone(), self.todo(&title)))
            .collect();
        self.list(name, &todos);
        todos
    }

    /// The aggregator fails so from now on.
    pub(crate) fn fault(&self, rule: Rule) {
        self.sandbox.faults().add(rule);
    }

    /// Nothing comes of this blob any more.
    pub(crate) fn stall(&self, blob: &str) {
        let name: BlobName = blob.parse().expect("a name");
        self.fault(Rule::new(Fault::Stall { after: 0 }).on(name));
    }

    /// The job as the server shows it.
    pub(crate) fn job(&self, id: &str) -> Value {
        self.run(&["status", id, "--json"]).code(0).json()["job"].clone()
    }

    /// Waits until there is such a job.
    #[track_caller]
    pub(crate) fn wait_for(&self, id: &str) {
        let end = Instant::now() + PATIENCE;
        while self.run(&["status", id]).code != Some(0) {
            assert!(Instant::now() < end, "never there: {id}");
            std::thread::sleep(Duration::from_millis(20));
        }
    }

    /// Waits until the job is in this state with so many items done.
    #[track_caller]
    pub(crate) fn wait(&self, id: &str, state: &str, items: u64) {
        let end = Instant::now() + PATIENCE;
        loop {
            let job = self.job(id);
            if job["state"] == state && job["items"]["completed"] == items {
                return;
            }
            assert!(Instant::now() < end, "never {state}, {items}: {job}");
            std::thread::sleep(Duration::from_millis(20));
        }
    }

    /// Starts so many retrievals of what is not there, and waits until they have failed.
    pub(crate) fn failures(&self, count: usize) {
        let args = json!({"source": "nothing", "lists": self.path("lists"), "aggregator": self.sandbox.url(),
            "chunkSize": 1, "attempts": 1});
        let request = SubmitRequest {
            kind: "walrus.retrieve".to_owned(),
            args,
            ..SubmitRequest::default()
        };
        let client = Client::unix(self.path("data").join("longhaul.sock")).expect("a client");
        let requests = vec![request; count];
        let submitted = self.runtime.block_on(client.submit_many(&requests));
        submitted.expect("submitted");
        let end = Instant::now() + PATIENCE;
        while self.run(&["jobs", "--active", "--json"]).json()["jobs"] != json!([]) {
            assert!(Instant::now() < end, "never failed");
            std::thread::sleep(Duration::from_millis(20));
        }
    }

    /// Has a job that ended have done so this much earlier, as if the time had passed.
    pub(crate) fn age(&self, id: &str, by: Duration) {
        let file = self.path("data").join("jobs.db");
        let database = rusqlite::Connection::open(file).expect("the jobs");
        database.busy_timeout(PATIENCE).expect("set");
        let by = i64::try_from(by.as_millis()).expect("a number");
        let changed = database.execute(
            "UPDATE longhaul_jobs SET ended_at = ended_at - ?2, sweep_at = sweep_at - ?2 WHERE id = ?1",
            (id, by),
        );
        assert_eq!(changed, Ok(1), "{id}");
    }

    /// Names of the files in a folder.
    pub(crate) fn files(&self, folder: &str) -> Vec<String> {
        let mut names: Vec<String> = fs::read_dir(self.path(folder))
            .map(|files| {
                let names = files.map(|file| file.expect("read").file_name());
                names
                    .map(|name| name.into_string().expect("text"))
                    .collect()
            })
            .unwrap_or_default();
        names.sort();
        names
    }
}

impl Lab {
    /// Kills the server, if one runs, and waits until it is gone.
    pub(crate) fn kill_server(&self) {
        let Ok(client) = Client::unix(self.path("data").join("longhaul.sock")) else {
            return;
        };
        let Ok(info) = self.runtime.block_on(client.server()) else {
            return;
        };
        // A job that never ends must not keep it.
        if let Some(pid) = i32::try_from(info.pid).ok().and_then(Pid::from_raw) {
            let _ = kill_process(pid, Signal::KILL);
        }
        let end = Instant::now() + Duration::from_secs(10);
        while is_alive(info.pid) && Instant::now() < end {
            std::thread::sleep(Duration::from_millis(5));
        }
    }
}

impl Drop for Lab {
    fn drop(&mut self) {
        self.kill_server();
    }
}

/// Runs a command to its end.
pub(crate) fn done(command: &mut Command) -> Done {
    let output = command.output().expect("it starts");
    let text = |bytes: &[u8]| String::from_utf8_lossy(bytes).into_owned();
    Done {
        code: output.status.code(),
        stdout: text(&output.stdout),
        stderr: text(&output.stderr),
    }
}

/// A blob ID that no blob has.
pub(crate) fn unknown() -> String {
    BlobId::from_bytes([7; 32]).to_string()
}

/// Whether the process lives, and does not only wait to be reaped.
pub(crate) fn is_alive(pid: u32) -> bool {
    let Ok(stat) = fs::read_to_string(format!("/proc/{pid}/stat")) else {
        return false;
    };
    let state = stat.rsplit_once(')').map(|(_, rest)| rest.trim_start());
    !state.is_some_and(|state| state.starts_with(['Z', 'X']))
}

/// The text of a file.
#[track_caller]
pub(crate) fn read(path: &Path) -> String {
    fs::read_to_string(path).unwrap_or_else(|error| panic!("{}: {error}", path.display()))
}
