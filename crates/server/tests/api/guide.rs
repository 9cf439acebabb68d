//! docs/api.md: each of its curl lines, run against the server of examples/reports.rs; what it shows is what comes.

use std::{
    fs,
    io::{BufRead, BufReader},
    os::unix::fs::PermissionsExt,
    path::{Path, PathBuf},
    process::{Child, Command, Stdio},
};

use serde_json::Value;

use crate::support::TOKEN;

/// Stands for anything: for text in a line or string, for lines between lines, for members of an object.
const ANYTHING: &str = "…";

/// The example as a process; it does not outlive the test.
struct Example {
    child: Child,
    folder: tempfile::TempDir,
    url: String,
}

impl Example {
    fn start() -> Self {
        let folder = tempfile::tempdir().unwrap();
        for (name, text) in [
            ("token", TOKEN.to_owned()),
            ("auth", format!("Authorization: Bearer {TOKEN}\n")),
        ] {
            let path = folder.path().join(name);
            fs::write(&path, text).unwrap();
            fs::set_permissions(&path, fs::Permissions::from_mode(0o600)).unwrap();
        }
        let mut child = Command::new(program("reports"))
            .args(["token", "127.0.0.1:0"])
            .current_dir(folder.path())
            .stdout(Stdio::piped())
            .spawn()
            .expect("the example is built with the tests");
        let mut url = String::new();
        let stdout = child.stdout.take().unwrap();
        BufReader::new(stdout).read_line(&mut url).unwrap();
        assert!(url.starts_with("http://"), "{url:?}");
        Self {
            child,
            folder,
            url: url.trim().to_owned(),
        }
    }

    /// What a line of the guide prints.
    fn run(&self, line: &str) -> String {
        let output = Command::new("sh")
            .args(["-c", line])
            .env("URL", &self.url)
            .env("CURL_HOME", self.folder.path())
            .current_dir(self.folder.path())
            .output()
            .unwrap();
        let errors = String::from_utf8_lossy(&output.stderr);
        assert!(output.status.success(), "{line}: {errors}");
        String::from_utf8(output.stdout).unwrap()
    }
}

impl Drop for Example {
    fn drop(&mut self) {
        // It may have ended by itself, which the test has said.
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

/// Examples lie beside the folder of the test's own program.
fn program(example: &str) -> PathBuf {
    let own = std::env::current_exe().unwrap();
    let target = own.parent().and_then(Path::parent).unwrap();
    target.join("examples").join(example)
}

/// The commands of the guide's `console` blocks, each with what it shows.
fn commands(guide: &str) -> Vec<(String, String)> {
    let mut found: Vec<(String, String)> = Vec::new();
    let blocks = guide.split("```console\n").skip(1);
    for block in blocks.filter_map(|block| block.split("```").next()) {
        for line in block.lines() {
            if let Some(command) = line.strip_prefix("$ ") {
                found.push((command.to_owned(), String::new()));
            } else {
                let (command, shown) = found.last_mut().expect("a block begins with a command");
                // What stands within quotes goes on.
                let open = command.matches('\'').count() % 2 == 1;
                let text = if open { command } else { shown };
                text.push_str(if open { "\n" } else { "" });
                text.push_str(line);
                text.push_str(if open { "" } else { "\n" });
            }
        }
    }
    found
}

/// Whether `actual` is what `shown` says.
fn same(shown: &Value, actual: &Value) -> bool {
    match (shown, actual) {
        (Value::String(shown), _) if shown == ANYTHING => true,
        (Value::String(shown), Value::String(actual)) => glob(shown, actual),
        (Value::Array(shown), Value::Array(actual)) => {
            let pairs = shown.iter().zip(actual);
            shown.len() == actual.len()
                && pairs.into_iter().all(|(shown, actual)| same(shown, actual))
        }
        (Value::Object(shown), Value::Object(actual)) => {
            let mut named = shown.iter().filter(|(name, _)| *name != ANYTHING);
            let whole = shown.contains_key(ANYTHING) || shown.len() == actual.len();
            whole
                && named
                    .all(|(name, shown)| actual.get(name).is_some_and(|actual| same(shown, actual)))
        }
        _ => shown == actual,
    }
}

/// Whether `actual` is `shown`, with anything in the place of `…`.
fn glob(shown: &str, actual: &str) -> bool {
    let Some((first, rest)) = shown.split_once(ANYTHING) else {
        return shown == actual;
    };
    let Some(actual) = actual.strip_prefix(first) else {
        return false;
    };
    let ends = actual
        .char_indices()
        .map(|(at, _)| at)
        .chain([actual.len()]);
    ends.into_iter().any(|at| glob(rest, &actual[at..]))
}

/// The same for lines, where a line `…` is any number of lines.
fn lines(shown: &[&str], actual: &[&str]) -> bool {
    match (shown, actual) {
        ([], []) => true,
        ([first, rest @ ..], _) if *first == ANYTHING => {
            (0..=actual.len()).any(|skip| lines(rest, &actual[skip..]))
        }
        ([shown, more @ ..], [actual, rest @ ..]) => glob(shown, actual) && lines(more, rest),
        _ => false,
    }
}

fn shows(shown: &str, actual: &str) -> bool {
    // A number that differs is written as `…` too, which is no JSON.
    let json = |text: &str| serde_json::from_str(&text.replace(": …,", ": \"…\",")).ok();
    if let (Some(shown), Some(actual)) = (json(shown), json(actual)) {
        return same(&shown, &actual);
    }
    let (shown, actual): (Vec<&str>, Vec<&str>) =
        (shown.lines().collect(), actual.lines().collect());
    lines(&shown, &actual)
}

#[test]
fn the_first_half_hour_goes_as_written() {
    let guide = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../docs/api.md");
    let guide = fs::read_to_string(guide).unwrap();
    let commands = commands(&guide);
    let lines = guide.lines().filter(|line| line.contains("curl -"));
    assert_eq!(
        lines.count(),
        commands.len(),
        "a curl line is outside the blocks that are run"
    );
    assert!(commands.len() > 15);
    let example = Example::start();
    for (command, shown) in &commands {
        let printed = example.run(command);
        assert!(
            shows(shown, &printed),
            "$ {command}\nshows\n{printed}\nnot\n{shown}"
        );
    }
}

#[test]
fn what_differs_is_seen() {
    assert!(shows(
        "{\"a\": …, \"b\": [1, \"x…\"]}",
        "{\"b\":[1,\"xy\"],\"a\":7}"
    ));
    assert!(!shows("{\"a\": 1}", "{\"a\":1,\"b\":2}"));
    assert!(shows("{\"a\": 1, \"…\": \"…\"}", "{\"a\":1,\"b\":2}"));
    assert!(!shows("{\"a\": 1, \"…\": \"…\"}", "{\"b\":2}"));
    assert!(shows("one\n…\nlast …\n", "one\n\ntwo\nlast line\n"));
    assert!(!shows("one\n…\nlast\n", "one\ntwo\n"));
    assert!(!shows("one\n", "one\ntwo\n"));
}
