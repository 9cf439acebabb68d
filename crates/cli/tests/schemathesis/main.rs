//! The API as schemathesis sees it: requests made from the document, fitting ones and others, to the shipped server with
//! jobs in it. No answer is a 5xx, and none is undocumented. `script/setup` installs it; its version and those of all it
//! needs are in `tests/e2e/python/requirements.txt`.

use std::{
    env, fs,
    io::{BufRead as _, BufReader},
    path::{Path, PathBuf},
    process::{Child, Command, Stdio},
    time::{Duration, Instant},
};

/// Requests depend on nothing else.
const SEED: &str = "20261126";
/// Streams have no end, and a server that stops answers nothing more.
const LEFT_OUT: [&str; 3] = ["events", "jobEvents", "stopServer"];

/// Every check but those of what a request must lead to. Jobs may have the ids `cancel` and `retry`, so the paths of bulk
/// requests take what a job's does too, which no document can say.
const CHECKS: &str = r#"
[checks]
negative_data_rejection.enabled = false
positive_data_acceptance.enabled = false
missing_required_header.enabled = false
use_after_free.enabled = false
ensure_resource_availability.enabled = false
object_level_authorization.enabled = false
[[operations]]
include-operation-id = ["cancelJobs", "retryJobs"]
checks.allow_header_conformance.enabled = false
"#;

struct Lab {
    folder: tempfile::TempDir,
    server: Child,
    address: String,
}

impl Lab {
    /// A server over TCP with jobs of every standing.
    fn new() -> Self {
        let folder = tempfile::tempdir().expect("a folder");
        let log = folder.path().join("log");
        let mut server = program(folder.path());
        let server = server
            .args(["serve", "--listen", "127.0.0.1:0"])
            .env("LONGHAUL_LOG", "info")
            .stderr(fs::File::create(&log).expect("a file"));
        let server = server.spawn().expect("it starts");
        let address = address(&log);
        let lab = Self {
            folder,
            server,
            address,
        };
        let jobs = [
            ("done", "true", &[][..]),
            ("failed", "false", &[]),
            ("says", "echo a line; echo another", &[]),
            ("held", "true", &["--held"]),
        ];
        for (id, script, flags) in jobs {
            let args = serde_json::json!({"command": ["/bin/sh", "-c", script], "folder": "/"});
            let args = args.to_string();
            let submit = ["submit", "longhaul.run", &args, "--id", id];
            let status = program(lab.folder.path())
                .args([&submit[..], flags].concat())
                .stdout(Stdio::null())
                .stderr(Stdio::null())
                .status();
            assert!(status.expect("it runs").success(), "{id}");
        }
        lab
    }

    fn log(&self) -> String {
        fs::read_to_string(self.folder.path().join("log")).unwrap_or_default()
    }

    /// Runs it over the document; `parameters` are fixed for all requests that have them.
    fn schemathesis(&self, parameters: &str, more: &[&str]) {
        let token = fs::read_to_string(self.folder.path().join("data/token")).expect("a token");
        // In a file and the environment: other users read command lines.
        let settings = format!(
            "headers = {{ Authorization = \"Bearer ${{TOKEN}}\" }}\n{parameters}\n{CHECKS}"
        );
        let config = self.folder.path().join("schemathesis.toml");
        fs::write(&config, settings).expect("written");
        let mut command = Command::new(installed());
        command
            .arg("--config-file")
            .arg(&config)
            .args(["run", &format!("http://{}/openapi.json", self.address)])
            .args(["--seed", SEED])
            .args([
                "--request-timeout",
                "10",
                "--continue-on-failure",
                "--warnings",
                "off",
            ])
            .args(
                LEFT_OUT
                    .iter()
                    .flat_map(|id| ["--exclude-operation-id", id]),
            )
            .args(more)
            .env("TOKEN", token.trim())
            .env("NO_COLOR", "1")
            .current_dir(self.folder.path());
        let output = command.output().expect("it runs");
        let said = String::from_utf8_lossy(&output.stdout);
        let log = self.log();
        assert!(
            output.status.success(),
            "{said}\n{}",
            String::from_utf8_lossy(&output.stderr)
        );
        assert!(!log.contains("panicked"), "{log}");
        assert!(said.contains("generated"), "it asked: {said}");
    }
}

impl Drop for Lab {
    fn drop(&mut self) {
        let _ = self.server.kill();
        let _ = self.server.wait();
    }
}

fn program(folder: &Path) -> Command {
    let mut command = Command::new(env!("CARGO_BIN_EXE_longhaul"));
    command
        .env_clear()
        .env("PATH", "/usr/local/bin:/usr/bin:/bin")
        .env("HOME", folder)
        .env("LONGHAUL_DATA_DIR", folder.join("data"))
        .current_dir(folder)
        .stdin(Stdio::null());
    command
}

/// Where the server listens, as its log says.
fn address(log: &Path) -> String {
    let end = Instant::now() + Duration::from_mins(1);
    loop {
        let file = BufReader::new(fs::File::open(log).expect("a log"));
        let lines = file.lines().map_while(Result::ok);
        let found = lines.filter_map(|line| {
            let (_, rest) = line.split_once("listening on http://")?;
            Some(rest.split_once(',')?.0.to_owned())
        });
        if let Some(address) = found.last() {
            return address;
        }
        assert!(Instant::now() < end, "it does not listen");
        std::thread::sleep(Duration::from_millis(10));
    }
}

fn installed() -> PathBuf {
    let root = Path::new(env!("CARGO_MANIFEST_DIR")).join("../..");
    let target = env::var_os("CARGO_TARGET_DIR").map_or_else(|| root.join("target"), PathBuf::from);
    let path = target.join("python/bin/schemathesis");
    assert!(
        path.exists(),
        "{} is missing: run script/setup",
        path.display()
    );
    path
}

#[test]
fn every_answer_is_documented_and_none_is_a_fault() {
    Lab::new().schemathesis("", &["--max-examples", "25"]);
}

#[test]
fn so_it_is_on_jobs_that_are_there() {
    let lab = Lab::new();
    for id in ["says", "held"] {
        let parameters = format!("[parameters]\nid = \"{id}\"");
        let only = [
            "--include-path-regex",
            "^/api/v1/jobs/[{]id",
            "--max-examples",
            "15",
        ];
        lab.schemathesis(&parameters, &only);
    }
}
