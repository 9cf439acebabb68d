//! Each command against a real server.

use std::{collections::BTreeSet, fs, io::Write as _, process::Stdio};

use serde_json::{Value, json};

use crate::support::{Lab, eventually};

const TRUE: &str = r#"{"command":["/bin/true"],"folder":"/"}"#;

fn keys(value: &Value) -> BTreeSet<&str> {
    let object = value.as_object().expect("an object");
    object.keys().map(String::as_str).collect()
}

#[test]
fn submit_takes_args_from_a_file_and_from_standard_input() {
    let lab = Lab::new();
    let file = lab.write("args.json", TRUE);
    let id = lab
        .run(&[
            "submit",
            "longhaul.run",
            &format!("@{}", file.display()),
            "--held",
        ])
        .code(0)
        .id();
    let expected = json!({"command": ["/bin/true"], "folder": "/", "environment": {}});
    let mut given = lab.job(&id)["args"].clone();
    given["environment"] = json!({});
    assert_eq!(given, expected);
    let mut child = lab
        .longhaul(&["submit", "longhaul.run", "-"])
        .stdin(Stdio::piped())
        .stdout(Stdio::null())
        .stderr(Stdio::null())
        .spawn()
        .expect("it starts");
    let mut stdin = child.stdin.take().expect("a pipe");
    stdin.write_all(TRUE.as_bytes()).expect("written");
    drop(stdin);
    assert!(child.wait().expect("it ends").success());
}

#[test]
fn submit_says_everything_a_job_can_be_told() {
    let lab = Lab::new();
    let submitted = lab
        .run(&[
            "submit",
            "longhaul.run",
            TRUE,
            "--id",
            "mine",
            "--queue",
            "slow",
            "--priority",
            "-3",
            "--label",
            "a=1",
            "--label",
            "b=2",
            "--delay",
            "1h",
            "--unique-key",
            "k",
            "--max-attempts",
            "7",
            "--timeout",
            "2h",
            "--json",
        ])
        .code(0)
        .json();
    assert_eq!(submitted["jobId"], "mine");
    assert_eq!(submitted["status"], "accepted");
    let job = lab.job("mine");
    assert_eq!(job["queue"], "slow");
    assert_eq!(job["priority"], -3);
    assert_eq!(job["labels"], json!({"a": "1", "b": "2"}));
    assert_eq!(job["state"], "pending");
    assert_eq!(job["reason"], "scheduled");
    assert_eq!(job["maxAttempts"], 7);
    let again = lab
        .run(&["submit", "longhaul.run", TRUE, "--unique-key", "k"])
        .code(0);
    assert_eq!(again.id(), "mine", "the key names the first");
    assert!(again.stderr.contains("submitted before"), "{again:?}");
    let taken = lab
        .run(&["submit", "longhaul.run", TRUE, "--id", "mine"])
        .code(1);
    assert!(taken.stderr.contains("mine"), "{taken:?}");
}

#[test]
fn a_held_job_waits_for_its_start() {
    let lab = Lab::new();
    let id = lab
        .run(&["submit", "longhaul.run", TRUE, "--held"])
        .code(0)
        .id();
    assert_eq!(lab.job(&id)["reason"], "held");
    lab.run(&["start", &id]).code(0);
    lab.run(&["watch", &id]).code(0);
    lab.run(&["start", &id]).code(1);
}

#[test]
fn retry_and_remove() {
    let lab = Lab::new();
    let ok = lab.path("ok");
    let id = lab.script(&format!("[ -e '{}' ]", ok.display()));
    lab.run(&["watch", &id]).code(1);
    fs::write(&ok, "").expect("written");
    lab.run(&["retry", &id]).code(0);
    lab.run(&["watch", &id]).code(0);
    let two = lab.run(&["remove", &id, "nope"]).code(5);
    assert_eq!(two.stdout, format!("{id} removed\n"), "each gets its turn");
    lab.run(&["status", &id]).code(5);
}

#[test]
fn jobs_are_filtered_and_counted() {
    let lab = Lab::new();
    for n in 0..3 {
        lab.run(&[
            "submit",
            "longhaul.run",
            TRUE,
            "--held",
            "--label",
            &format!("n={n}"),
        ])
        .code(0);
    }
    let failed = lab.script("exit 1");
    lab.run(&["watch", &failed]).code(1);
    let count = |args: &[&str]| {
        let page = lab
            .run(&[&["jobs", "--json"], args].concat())
            .code(0)
            .json();
        page["jobs"].as_array().expect("jobs").len()
    };
    assert_eq!(count(&[]), 4);
    assert_eq!(count(&["--state", "failed"]), 1);
    assert_eq!(count(&["--state", "failed", "--state", "pending"]), 4);
    assert_eq!(count(&["--label", "n=1"]), 1);
    assert_eq!(count(&["--kind", "longhaul.*"]), 4);
    assert_eq!(count(&["--kind", "other"]), 0);
    assert_eq!(count(&["--limit", "2"]), 2);
    let table = lab.run(&["jobs"]).code(0);
    assert!(table.stdout.contains("pending (held)"), "{table:?}");
    assert!(table.stderr.contains("3 pending, 1 failed"), "{table:?}");
    let more = lab.run(&["jobs", "--limit", "2"]).code(0);
    assert!(more.stderr.contains("There are more"), "{more:?}");
}

#[test]
fn more_jobs_than_a_page_are_listed() {
    let lab = Lab::new();
    lab.run(&["jobs"]).code(0);
    let client = longhaul_client::Client::unix(lab.socket()).expect("a client");
    let request = longhaul_types::body::SubmitRequest {
        kind: "longhaul.run".to_owned(),
        args: serde_json::from_str(TRUE).expect("json"),
        held: true,
        ..Default::default()
    };
    let requests = vec![request; 150];
    crate::support::block_on(client.submit_many(&requests)).expect("submitted");
    let page = lab
        .run(&["jobs", "--json", "--limit", "120"])
        .code(0)
        .json();
    let jobs = page["jobs"].as_array().expect("jobs");
    let ids: BTreeSet<&str> = jobs
        .iter()
        .filter_map(|job| job["jobId"].as_str())
        .collect();
    assert_eq!(ids.len(), 120);
    assert_eq!(page["counts"]["pending"], 150);
}

#[test]
fn logs_are_printed_followed_and_cut() {
    let lab = Lab::new();
    let go = lab.path("go");
    let id = lab.script(&format!(
        "seq 1 1500; while [ ! -e '{}' ]; do sleep 0.05; done; echo last",
        go.display()
    ));
    let follow = lab.start(&["logs", &id, "--follow"]);
    eventually("the lines so far came", || {
        follow.stdout().contains("] 1500\n")
    });
    fs::write(&go, "").expect("written");
    let followed = follow.done().code(0).stdout;
    let numbers: Vec<&str> = followed
        .lines()
        .filter_map(|line| line.split("] ").nth(1))
        .collect();
    let mut expected: Vec<String> = (1..=1500).map(|n| n.to_string()).collect();
    expected.push("last".to_owned());
    assert_eq!(numbers, expected, "each line once and in order");
    assert_eq!(lab.run(&["logs", &id]).code(0).stdout, followed);
    let tail = lab.run(&["logs", &id, "--tail", "2"]).code(0).stdout;
    assert_eq!(tail.lines().count(), 2);
    assert!(tail.ends_with("last\n"));
    let follow = lab
        .run(&["logs", &id, "--tail", "1", "--follow"])
        .code(0)
        .stdout;
    assert_eq!(follow.lines().count(), 1, "{follow}");
}

#[test]
fn json_keeps_its_shape() {
    let lab = Lab::new();
    let id = lab.script("echo hello");
    lab.run(&["watch", &id]).code(0);
    let job = lab.job(&id);
    let expected = [
        "args",
        "attempts",
        "cancelRequested",
        "completedAt",
        "createdAt",
        "items",
        "jobId",
        "kind",
        "labels",
        "maxAttempts",
        "message",
        "owner",
        "priority",
        "progress",
        "queue",
        "results",
        "revision",
        "startedAt",
        "state",
        "status",
        "success",
    ];
    assert_eq!(keys(&job), expected.into_iter().collect());
    assert_eq!(
        keys(&job["results"]),
        ["exitCode", "lines", "seconds"].into_iter().collect()
    );
    let whole = lab
        .run(&["status", &id, "--verbose", "--json"])
        .code(0)
        .json();
    let expected = ["artifacts", "attempts", "items", "job", "log"];
    assert_eq!(keys(&whole), expected.into_iter().collect());
    let line = &lab.run(&["logs", &id, "--json"]).code(0).json_lines()[0];
    assert_eq!(
        keys(line),
        ["level", "number", "text", "time"].into_iter().collect()
    );
    let page = lab.run(&["jobs", "--json"]).code(0).json();
    assert_eq!(
        keys(&page),
        ["counts", "jobs", "limit", "success", "total", "totalIs"]
            .into_iter()
            .collect()
    );
    let held = lab
        .run(&["submit", "longhaul.run", TRUE, "--held"])
        .code(0)
        .id();
    let cancelled = lab.run(&["cancel", &held, "--json"]).code(0).json();
    let expected = ["jobId", "message", "state", "success"];
    assert_eq!(keys(&cancelled), expected.into_iter().collect());
    let doctor = lab.run(&["doctor", "--json"]).code(0).json();
    assert_eq!(keys(&doctor), ["checks", "ok"].into_iter().collect());
    let service = lab.run(&["service", "status", "--json"]).code(1).json();
    let expected = ["active", "installed", "lingers", "unit"];
    assert_eq!(keys(&service), expected.into_iter().collect());
}

#[test]
fn doctor_starts_nothing_and_finds_what_is_wrong() {
    let lab = Lab::new();
    lab.run(&["doctor"]).code(0);
    assert!(!lab.data().exists());
    lab.run(&["jobs"]).code(0);
    let well = lab.run(&["doctor"]).code(0);
    assert!(well.stdout.contains("every page is sound"), "{well:?}");
    lab.kill_server();
    let gone = lab.run(&["doctor"]).code(0);
    assert!(gone.stdout.contains("none runs"), "{gone:?}");
    let path = lab.data().join("jobs.db");
    fs::write(&path, "no database".repeat(1000)).expect("written");
    let _ = fs::remove_file(lab.data().join("jobs.db-wal"));
    let ill = lab.run(&["doctor"]).code(1);
    assert!(ill.stdout.contains("✗ database"), "{ill:?}");
}

#[test]
fn service_prints_and_removes_its_unit() {
    let lab = Lab::new();
    let printed = lab.run(&["service", "install", "--print"]).code(0).stdout;
    assert!(printed.contains("ExecStart=\"/"), "{printed}");
    let unit = lab.path("home/.config/systemd/user/longhaul.service");
    assert!(!unit.exists());
    lab.run(&["service", "install", "--no-start"]).code(0);
    assert_eq!(fs::read_to_string(&unit).expect("written"), printed);
    lab.run(&["service", "uninstall"]).code(0);
    assert!(!unit.exists());
    lab.run(&["service", "uninstall"]).code(5);
}

#[test]
fn shells_can_complete() {
    let lab = Lab::new();
    for shell in ["bash", "zsh", "fish"] {
        let script = lab.run(&["completions", shell]).code(0).stdout;
        assert!(
            script.contains("longhaul") && script.contains("watch"),
            "{shell}"
        );
    }
    assert!(!lab.data().exists());
}
