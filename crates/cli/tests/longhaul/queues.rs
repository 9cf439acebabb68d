//! `longhaul queues` against a real server that is killed in between.

use serde_json::Value;

use crate::support::{Lab, eventually};

const TRUE: &str = r#"{"command":["/bin/true"],"folder":"/"}"#;
/// A queue that the server runs jobs of, beside the default one.
const OTHER: &str = longhaul_walrus::retrieve::QUEUE;

fn queue(lab: &Lab, name: &str) -> Value {
    let page = lab.run(&["queues", "--json"]).code(0).json();
    let queues = page["queues"].as_array().expect("a list");
    let mut queues = queues.iter();
    let found = queues.find(|queue| queue["name"] == name);
    found.expect("the queue").clone()
}

#[test]
fn a_pause_survives_the_server_and_a_resume_starts_what_waits() {
    let lab = Lab::new();
    let paused = lab.run(&["queues", "pause", "default"]).code(0);
    assert!(paused.stdout.contains("default paused"), "{paused:?}");
    let waiting = lab.script("true");
    lab.kill_server();
    let first = queue(&lab, "default");
    assert_eq!(first["paused"], true);
    assert_eq!(first["counts"]["pending"], 1);
    // The new server works: it had its chance at what is paused.
    let other = lab.run(&["submit", "longhaul.run", TRUE, "--queue", OTHER]);
    lab.run(&["watch", &other.code(0).id()]).code(0);
    assert_eq!(lab.state(&waiting), "pending");
    let listed = lab.run(&["queues"]).code(0);
    let line = listed
        .stdout
        .lines()
        .find(|line| line.starts_with("default"));
    assert!(line.expect("a line").contains("paused"), "{listed:?}");

    lab.run(&["queues", "resume", "default"]).code(0);
    eventually("the job that waited runs", || {
        lab.state(&waiting) == "completed"
    });
    assert_eq!(queue(&lab, "default")["paused"], false);
}

#[test]
fn an_unknown_queue_is_refused_with_what_to_do() {
    let lab = Lab::new();
    let refused = lab.run(&["queues", "pause", "no\u{1b}such"]).code(5);
    assert!(refused.stderr.contains("there is no queue"), "{refused:?}");
    assert!(refused.stderr.contains("longhaul queues"), "{refused:?}");
    assert!(!refused.stderr.contains('\u{1b}'), "{refused:?}");
}
