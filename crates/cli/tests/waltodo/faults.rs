//! Time limits, Ctrl-C, kills, and input that is wrong.

use std::{process::Stdio, time::Instant};

use longhaul_sandbox::aggregator::Request;
use rustix::process::{Pid, Signal, kill_process};

use crate::support::{Lab, PATIENCE, unknown};

#[test]
fn a_time_limit_keeps_what_was_retrieved_and_a_retry_goes_on() {
    let lab = Lab::new();
    let todos = lab.todos("mylist", 4);
    lab.stall(&todos[3].1);
    let out = lab.path("out");
    let out = out.to_str().expect("text");
    let args = [
        "retrieve",
        "mylist",
        "-b",
        "-w",
        "--job-id",
        "slow",
        "--timeout",
        "4",
        "--output",
        out,
    ];
    let done = lab.run(&args).code(1);
    assert!(done.stdout.contains("Timeout: 4s\n"), "{done:?}");
    assert!(
        done.stdout.contains("✗ Background retrieval failed: "),
        "{done:?}"
    );
    let job = lab.job("slow");
    assert_eq!(job["errorCode"], "deadline_exceeded", "{job}");
    assert_eq!(job["items"]["completed"], 3, "{job}");
    assert_eq!(lab.files("out").len(), 3);

    lab.sandbox.faults().clear();
    lab.sandbox.clear_requests();
    lab.longhaul(&["retry", "slow"]).code(0);
    let text = lab.run(&["status", "slow", "--wait"]).code(0).stdout;
    assert!(text.contains("Items retrieved: 4\n"), "{text}");
    let asked: Vec<Request> = lab.sandbox.requests();
    assert!(
        !asked.is_empty() && asked.iter().all(|request| request.blob == todos[3].1),
        "{asked:?}"
    );
}

#[test]
fn ctrl_c_leaves_the_job_running() {
    let lab = Lab::new();
    let todos = lab.todos("mylist", 2);
    lab.stall(&todos[1].1);
    // The server is there, so that the signal meets a command that waits.
    lab.run(&["jobs"]).code(0);
    let mut command = lab.waltodo(&["retrieve", "mylist", "-b", "-w", "--job-id", "long"]);
    command.stdout(Stdio::piped()).stderr(Stdio::piped());
    let child = command.spawn().expect("it starts");
    lab.wait_for("long");
    lab.wait("long", "running", 1);
    let pid = i32::try_from(child.id()).ok().and_then(Pid::from_raw);
    let begun = Instant::now();
    kill_process(pid.expect("a process"), Signal::INT).expect("sent");
    let output = child.wait_with_output().expect("it ends");
    assert!(begun.elapsed() < PATIENCE);
    assert_eq!(output.status.code(), Some(130));
    let text = String::from_utf8_lossy(&output.stderr);
    assert_eq!(
        text,
        "The job goes on in the background.\n\
         💡 Check status: waltodo status long --wait\n\
         💡 Cancel job: waltodo cancel long\n"
    );
    lab.wait("long", "running", 1);
    let waited = lab.run(&["status", "long", "--wait", "--timeout", "0.2"]);
    let waited = waited.code(8);
    assert!(waited.stderr.contains("The job goes on"), "{waited:?}");
    lab.sandbox.faults().clear();
    lab.run(&["cancel", "long"]).code(0);
}

#[test]
fn wrong_bytes_are_not_delivered() {
    use longhaul_sandbox::aggregator::{Fault, Rule};
    let lab = Lab::new();
    let blob = lab.blob(&[5; 10_000]);
    lab.fault(Rule::new(Fault::WrongBytes { at: 4711 }));
    let out = lab.path("out");
    let args = [
        "retrieve",
        &blob,
        "--retry-attempts",
        "1",
        "--output",
        out.to_str().expect("text"),
    ];
    let done = lab.run(&args).code(1);
    assert!(done.stdout.contains("not those of the blob"), "{done:?}");
    assert!(lab.files("out").is_empty());
}

#[test]
fn what_is_wrong_is_said_and_nothing_is_started() {
    let lab = Lab::new();
    for (args, why) in [
        (
            &["retrieve", "x", "--network", "moon"][..],
            "'moon' is not a network",
        ),
        (
            &["retrieve", "x", "--timeout", "0"],
            "'0' is no number of seconds",
        ),
        (&["retrieve", "x", "--chunk-size", "0"], "from 1 to 256"),
        (&["retrieve", "x", "--retry-attempts", "x"], "from 1 to 100"),
        (
            &["retrieve", "x", "--aggregator", "ftp://x"],
            "no address of an aggregator",
        ),
        (&["retrieve", "x", "--job-id", "a/b"], "is no job id"),
        (&["retrieve", "x", "--list", ".hidden"], "begins with a dot"),
        (&["jobs", "--active", "--failed"], "cannot be used with"),
        (&["retrieve"], "required"),
    ] {
        let done = lab.run(args).code(2);
        assert!(done.stderr.contains(why), "{why:?}: {done:?}");
        assert_eq!(done.stdout, "");
    }
    assert!(!lab.path("data").exists(), "a server was started");
    let done = lab.run(&["status", "nix"]).code(5);
    assert!(done.stderr.contains("no job with id 'nix'"), "{done:?}");
    lab.run(&["cancel", "nix"]).code(5);
    let all = lab.run(&["jobs"]).code(0).stdout;
    assert!(all.contains("Found 0 job(s)"), "{all}");
}

#[test]
fn text_from_outside_can_not_take_over_the_terminal() {
    let lab = Lab::new();
    let evil = "x\u{1b}[2J\u{202e}";
    lab.list(
        "evil",
        &[
            (evil.to_owned(), unknown()),
            ("fine".to_owned(), lab.todo("fine")),
        ],
    );
    let shown = [
        lab.run(&["retrieve", "evil", "--job-id", "evil"]).code(3),
        lab.run(&["retrieve", evil, "--job-id", "source"]).code(1),
        lab.run(&["jobs"]).code(0),
        lab.run(&["status", "evil", "--verbose"]).code(0),
        lab.run(&["status", "evil", "--verbose", "--json"]).code(0),
    ];
    for done in shown {
        let all = format!("{}{}", done.stdout, done.stderr);
        assert!(!all.contains(['\u{1b}', '\u{202e}']), "{all:?}");
    }
}
