//! `longhaul cancel` and `longhaul retry` of many jobs.

use longhaul_client::Client;
use longhaul_types::body::SubmitRequest;
use rustix::process::Signal;

use crate::support::{Lab, block_on, done, eventually};

const TRUE: &str = r#"{"command":["/bin/true"],"folder":"/"}"#;

fn held(lab: &Lab, label: &str) -> String {
    let submit = ["submit", "longhaul.run", TRUE, "--held", "--label", label];
    lab.run(&submit).code(0).id()
}

#[test]
fn many_are_cancelled_and_retried_once_somebody_agrees() {
    let lab = Lab::new();
    let (first, second, other) = (held(&lab, "a=1"), held(&lab, "a=1"), held(&lab, "a=2"));
    let counted = lab.run(&["cancel", "--label", "a=1", "--dry-run"]).code(0);
    assert_eq!(counted.stdout, "2 jobs to cancel\n");
    let refused = lab.run(&["cancel", "--label", "a=1"]).code(2);
    assert!(refused.stderr.contains("--yes"), "{refused:?}");
    assert_eq!(lab.state(&first), "pending");

    let cancelled = lab.run(&["cancel", "--label", "a=1", "--yes"]).code(0);
    assert!(cancelled.stdout.starts_with("2 jobs"), "{cancelled:?}");
    let states = [&first, &second, &other].map(|id| lab.state(id));
    assert_eq!(states, ["cancelled", "cancelled", "pending"]);
    let again = ["retry", "--state", "cancelled", "--yes", "--json"];
    let again = lab.run(&again).code(0).json();
    assert_eq!((&again["matched"], &again["done"]), (&2.into(), &2.into()));
    lab.run(&["watch", &first]).code(0);
    lab.run(&["watch", &second]).code(0);
    let all = lab.run(&["cancel", "--all", "--yes"]).code(0);
    assert!(all.stdout.starts_with("1 job "), "{all:?}");
    assert_eq!(lab.state(&other), "cancelled");
    for wrong in [
        &["cancel"][..],
        &["cancel", "--yes"],
        &["cancel", &other, "--all"],
        &["retry", "--all", "--state", "failed"],
    ] {
        lab.run(wrong).code(2);
    }
}

#[test]
fn a_terminal_is_asked() {
    let lab = Lab::new();
    let id = held(&lab, "a=1");
    let answered = |answer: &str| {
        let line = format!("'{}' cancel --all", env!("CARGO_BIN_EXE_longhaul"));
        let script = format!("echo {answer} | script -qec \"{line}\" /dev/null");
        let mut command = lab.program("/bin/sh");
        command.args(["-c", &script]).env("TERM", "xterm");
        done(&mut command)
    };
    let no = answered("n").code(1);
    assert!(no.stdout.contains("Really cancel 1 job? [y/N]"), "{no:?}");
    assert_eq!(lab.state(&id), "pending");
    answered("y").code(0);
    assert_eq!(lab.state(&id), "cancelled");
}

#[test]
fn a_job_of_its_own_goes_on_after_a_kill() {
    const JOBS: u64 = 20_000;
    let lab = Lab::new();
    let server = lab.start(&["serve"]);
    eventually("the server answers", || lab.server().is_some());
    let client = || Client::unix(lab.socket()).expect("a client");
    let held = SubmitRequest {
        kind: "longhaul.run".to_owned(),
        args: serde_json::from_str(TRUE).expect("JSON"),
        held: true,
        ..SubmitRequest::default()
    };
    for _ in 0..JOBS / 10_000 {
        let many = vec![held.clone(); 10_000];
        block_on(client().submit_many(&many)).expect("taken");
    }
    let cancel = ["cancel", "--all", "--yes", "--background"];
    let id = lab.run(&cancel).code(0).id();
    let done_so_far = || lab.job(&id)["progress"]["current"].as_u64().unwrap_or(0);
    eventually("some are cancelled", || done_so_far() > 0);
    server.signal(Signal::KILL);
    let watched = lab.run(&["watch", &id]).code(0);
    assert!(watched.stderr.contains("completed"), "{watched:?}");
    let counts = block_on(client().counts()).expect("counts").total;
    assert_eq!((counts.pending, counts.cancelled), (0, JOBS));
    let attempts = block_on(client().attempts(&id.parse().expect("an id")));
    assert_eq!(
        attempts.expect("attempts").len(),
        1,
        "the one that was killed"
    );
}

#[test]
fn the_job_that_does_it_is_named() {
    let lab = Lab::new();
    let first = held(&lab, "a=1");
    let done = lab
        .run(&["cancel", "--label", "a=1", "--yes", "--json"])
        .code(0)
        .json();
    let by = done["jobId"].as_str().expect("an id");
    assert_eq!(lab.job(by)["results"]["done"], 1);
    assert_eq!(lab.state(&first), "cancelled");
    let background = lab
        .run(&["retry", "--all", "--yes", "--background"])
        .code(0);
    assert!(
        background.stderr.contains("longhaul watch"),
        "{background:?}"
    );
    lab.run(&["watch", &background.id()]).code(0);
    lab.run(&["watch", &first]).code(0);
    lab.run(&["cancel", &first, "--background"]).code(2);
}
