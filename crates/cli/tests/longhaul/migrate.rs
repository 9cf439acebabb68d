//! `longhaul migrate`: a running installation moves to PostgreSQL.

use std::{fs, path::Path, time::Duration};

use rustix::process::Signal;
use serde_json::json;

use crate::{
    s3::{call, claim, post, put},
    server::Server,
    support::{Lab, Running, eventually},
};

/// A server on the lab's own file.
fn serve(lab: &Lab) -> Running {
    let running = lab.start(&["serve"]);
    eventually("the server answers", || lab.server().is_some());
    running
}

fn serve_shared(lab: &Lab, database: &Server) -> Running {
    let running = lab.start(&["serve", "--database-url", database.url(), "--lease", "2"]);
    eventually("the server answers", || lab.server().is_some());
    running
}

fn stop(server: Running) {
    server.signal(Signal::TERM);
    server.done().code(0);
}

/// A job with a file and a log, which has completed.
fn made(lab: &Lab, id: &str) {
    let claim = claim(lab, id);
    let file = lab.write("small", "hello");
    assert_eq!(put(lab, &claim, "a.txt", &file).0, 201);
    let wrong = json!({"code": "x", "message": "y"});
    let items = json!([
        {"name": "one", "state": "failed", "error": wrong},
        {"name": "two", "state": "completed"},
    ]);
    let log = json!([{"text": "said"}]);
    let end = json!({"outcome": "completed", "result": {"n": 7}});
    post(
        lab,
        &format!("{claim}/report"),
        &json!({"items": items, "log": log, "end": end}),
    );
}

fn file_of(lab: &Lab) -> std::path::PathBuf {
    let folder = lab.data().join("jobs.db.files/artifacts");
    let mut folders = vec![folder];
    while let Some(folder) = folders.pop() {
        for entry in fs::read_dir(folder).expect("a folder").flatten() {
            if entry.path().is_file() {
                return entry.path();
            }
            folders.push(entry.path());
        }
    }
    panic!("no file");
}

/// All jobs, as a list shows them.
fn listed(lab: &Lab) -> Vec<(String, String)> {
    let page = lab.run(&["jobs", "--json"]).code(0).json();
    let text = |value: &serde_json::Value| value.as_str().unwrap_or_default().to_owned();
    let jobs = page["jobs"].as_array().expect("jobs");
    let mut all: Vec<_> = jobs
        .iter()
        .map(|job| (text(&job["jobId"]), text(&job["status"])))
        .collect();
    all.sort();
    all
}

/// Whoever takes up the old file again runs nothing twice.
fn an_old_file_runs_nothing(lab: &Lab, running: &str) {
    let stale = Lab::new();
    stop(serve(&stale));
    for part in ["-wal", "-shm"] {
        let _ = fs::remove_file(stale.data().join(format!("jobs.db{part}")));
    }
    fs::copy(
        lab.data().join("jobs.db.moved"),
        stale.data().join("jobs.db"),
    )
    .expect("copied");
    let old = serve(&stale);
    let said = stale.run(&["submit", "test.make", "{}"]).code(1).stderr;
    assert!(said.contains("have moved to PostgreSQL"), "{said}");
    assert_eq!(stale.state(running), "pending");
    drop(old);
}

#[test]
fn a_running_installation_goes_on_on_postgresql() {
    let (lab, database) = (Lab::new(), Server::start());
    let server = serve(&lab);
    made(&lab, "made");
    let failed = lab.script("exit 3");
    eventually("it has failed", || lab.state(&failed) == "failed");
    let later = lab
        .run(&["submit", "test.make", "{}", "--delay", "1d"])
        .code(0)
        .id();
    lab.run(&["token", "create", "ci", "--scope", "read"])
        .code(0);
    let schedule = ["schedule", "set", "nightly", "--cron", "0 3 * * *"];
    lab.run(&[&schedule[..], &["--kind", "test.make"]].concat())
        .code(0);
    let go = lab.path("go");
    let script = format!(
        "echo x >> begun; until [ -e '{}' ]; do sleep 0.05; done",
        go.display()
    );
    let begun = lab.path("home/begun");
    let running = lab.script(&script);
    eventually("it runs", || begun.exists());

    let args = ["migrate", "--database-url", database.url()];
    let said = lab.run(&args).code(1).stderr;
    assert!(said.contains("another process runs jobs"), "{said}");
    lab.kill_server();
    server.done();
    let said = lab.run(&args).code(0).stdout;
    assert!(
        said.contains("moved 4 jobs (2 to run), 1 schedules, 1 tokens and 1 files"),
        "{said}"
    );
    assert!(!lab.data().join("jobs.db").exists());
    assert!(lab.data().join("jobs.db.moved").exists());

    an_old_file_runs_nothing(&lab, &running);
    let _server = serve_shared(&lab, &database);
    eventually("it runs again", || {
        fs::read_to_string(&begun).is_ok_and(|text| text.lines().count() == 2)
    });
    fs::write(&go, "").expect("written");
    eventually("it has completed", || lab.state(&running) == "completed");
    assert_eq!(lab.job(&running)["attempts"], 0);
    assert_eq!(lab.state(&failed), "failed");
    assert_eq!(lab.state(&later), "pending");
    let job = lab.job("made");
    assert_eq!(
        (&job["status"], &job["results"]["n"]),
        (&json!("completed"), &json!(7))
    );
    assert!(lab.run(&["logs", "made"]).code(0).stdout.contains("said"));
    let (status, file) = call(&lab, "GET", "jobs/made/artifacts/a.txt", &[]);
    assert_eq!((status, file.stdout.as_str()), (200, "hello"));
    assert!(lab.run(&["token", "list"]).code(0).stdout.contains("ci"));
    assert!(lab.run(&["schedules"]).code(0).stdout.contains("nightly"));
    // What ended may be tried again, and new jobs come.
    lab.run(&["retry", "made"]).code(0);
    assert_eq!(lab.state("made"), "pending");
    let fresh = lab.script("true");
    eventually("it has completed", || lab.state(&fresh) == "completed");
}

#[test]
fn what_can_not_be_moved_stays_as_it_is() {
    let (lab, other, database) = (Lab::new(), Lab::new(), Server::start());
    let args = ["migrate", "--database-url", database.url()];
    let said = lab.run(&["migrate"]).code(2).stderr;
    assert!(said.contains("no database is named"), "{said}");
    let said = lab.run(&args).code(5).stderr;
    assert!(said.contains("no jobs"), "{said}");
    let server = serve(&lab);
    made(&lab, "made");
    stop(server);
    let nowhere = ["migrate", "--database-url", "postgres://127.0.0.1:1/x"];
    let said = lab.run(&nowhere).code(1).stderr;
    assert!(said.contains("Nothing has moved"), "{said}");

    // Somebody works on it; then it has somebody's jobs.
    let guest = serve_shared(&other, &database);
    let said = lab.run(&args).code(1).stderr;
    assert!(said.contains("runs on the database"), "{said}");
    other.script("true");
    stop(guest);
    let said = lab.run(&args).code(1).stderr;
    assert!(said.contains("another installation"), "{said}");

    // A file that is not what it was.
    let database = Server::start();
    let args = ["migrate", "--database-url", database.url()];
    let file = file_of(&lab);
    fs::write(&file, "hellu").expect("written");
    let said = lab.run(&args).code(1).stderr;
    assert!(said.contains("is not what its job 'made' says"), "{said}");
    // It goes on where it is.
    let server = serve(&lab);
    assert_eq!(lab.state("made"), "completed");
    stop(server);
    fs::write(&file, "hello").expect("written");
    let moved = lab.run(&[&args[..], &["--json"]].concat()).code(0).json();
    assert_eq!(
        (&moved["rows"]["jobs"], &moved["files"]),
        (&json!(1), &json!(1))
    );
    let said = lab.run(&args).code(5).stderr;
    assert!(said.contains("no jobs"), "{said}");
}

fn copy(from: &Path, to: &Path) {
    fs::create_dir_all(to).expect("a folder");
    for entry in fs::read_dir(from).expect("a folder").flatten() {
        let target = to.join(entry.file_name());
        if entry.path().is_dir() {
            copy(&entry.path(), &target);
        } else if entry.file_type().is_ok_and(|kind| kind.is_file()) {
            fs::copy(entry.path(), target).expect("copied");
        }
    }
}

#[test]
fn whenever_it_is_killed_it_can_be_done_again() {
    let (lab, database) = (Lab::new(), Server::start());
    let server = serve(&lab);
    made(&lab, "made");
    for _ in 0..20 {
        lab.run(&["submit", "test.make", "{}", "--delay", "1d"])
            .code(0);
    }
    let before = listed(&lab);
    assert_eq!(before.len(), 21);
    stop(server);
    let kept = lab.path("kept");
    copy(&lab.data(), &kept);
    let args = ["migrate", "--database-url", database.url()];
    for milliseconds in (0..).step_by(15) {
        let running = lab.start(&args);
        std::thread::sleep(Duration::from_millis(milliseconds));
        running.signal(Signal::KILL);
        if running.done().code == Some(0) {
            break;
        }
        if !lab.data().join("jobs.db").exists() {
            break;
        }
    }
    let server = serve_shared(&lab, &database);
    assert_eq!(listed(&lab), before);
    stop(server);
    // As if it had been killed after the rows were there, and before the old file was put aside.
    for name in ["jobs.db", "jobs.db-wal"] {
        if kept.join(name).exists() {
            fs::copy(kept.join(name), lab.data().join(name)).expect("copied");
        }
    }
    let said = lab.run(&args).code(0).stdout;
    assert!(said.contains("there already"), "{said}");
    let _server = serve_shared(&lab, &database);
    assert_eq!(listed(&lab), before);
}
