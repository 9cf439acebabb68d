//! `longhaul jobs`, `cancel` and `retry` with filters in words.

use crate::support::{Lab, eventually};

const TRUE: &str = r#"{"command":["/bin/true"],"folder":"/"}"#;

fn held(lab: &Lab, id: &str, label: &str) -> String {
    let submit = [
        "submit",
        "longhaul.run",
        TRUE,
        "--held",
        "--id",
        id,
        "--label",
        label,
    ];
    lab.run(&submit).code(0).id()
}

fn ids(lab: &Lab, filter: &[&str]) -> String {
    let page = lab
        .run(&[&["jobs", "--json"], filter].concat())
        .code(0)
        .json();
    let jobs = page["jobs"].as_array().expect("jobs");
    let ids: Vec<&str> = jobs
        .iter()
        .filter_map(|job| job["jobId"].as_str())
        .collect();
    assert_eq!(page["total"], ids.len());
    assert_eq!(page["totalIs"], "exact");
    ids.join(" ")
}

#[test]
fn one_grammar_lists_cancels_and_retries() {
    let lab = Lab::new();
    held(&lab, "alpha", "team=blue");
    held(&lab, "beta", "team=blue sky");
    held(&lab, "gamma", "city=Ulm");
    for (filter, expected) in [
        (&["state:pending created:<1h"][..], "gamma beta alpha"),
        (
            &["state:pending", "created:<1h", "kind:longhaul.*"],
            "gamma beta alpha",
        ),
        (&["label.team:blue"], "alpha"),
        (&[r#"label.team:"blue sky""#], "beta"),
        (&["BLUE"], "beta alpha"),
        (&["ulm"], "gamma"),
        (&["beta"], "beta"),
        (&["created:>1h"], ""),
        (&["blue", "--label", "team=blue"], "alpha"),
        (
            &["state:failed", "--state", "pending", "--limit", "9"],
            "gamma beta alpha",
        ),
    ] {
        assert_eq!(ids(&lab, filter), expected, "{filter:?}");
    }
    let table = lab.run(&["jobs", "blue"]).code(0);
    assert!(table.stderr.contains("2 found; 3 pending"), "{table:?}");

    let cancel = ["cancel", "--filter", "blue created:<1h", "--yes"];
    let cancelled = lab.run(&cancel).code(0);
    assert!(cancelled.stdout.starts_with("2 jobs"), "{cancelled:?}");
    assert_eq!(lab.state("gamma"), "pending");
    let again = [
        "retry",
        "--filter",
        "sky",
        "--state",
        "cancelled",
        "--yes",
        "--json",
    ];
    assert_eq!(lab.run(&again).code(0).json()["done"], 1);
    eventually("it runs", || lab.state("beta") == "completed");
    // The jobs that did both are jobs like any other.
    let ended = ["status:completed,cancelled", "kind:longhaul.run"];
    assert_eq!(ids(&lab, &ended), "beta alpha");
    assert_eq!(ids(&lab, &["kind:longhaul.bulk"]).split(' ').count(), 2);
}

#[test]
fn a_filter_that_is_wrong_says_which_word_and_what_is_known() {
    let lab = Lab::new();
    for (args, parts) in [
        (
            &["jobs", "stat:failed"][..],
            &["stat:failed", "state, status, kind"][..],
        ),
        (&["jobs", "state:done", "x"], &["state:done", "cancelled"]),
        (&["jobs", "ended:>soon"], &["'soon'", "15m"]),
        (&["cancel", "--filter", "a \"b", "--yes"], &["not closed"]),
        (&["retry", "--filter", "", "--yes"], &["without a filter"]),
    ] {
        let refused = lab.run(args).code(2);
        for part in parts {
            assert!(refused.stderr.contains(part), "{args:?}: {refused:?}");
        }
        assert_eq!(refused.stdout, "");
    }
    lab.run(&["cancel", "x", "--filter", "y"]).code(2);
    lab.run(&["cancel", "--all", "--filter", "y"]).code(2);
}

#[test]
fn a_paused_queue_is_said_where_its_jobs_are() {
    let lab = Lab::new();
    lab.run(&["queues", "pause", "default"]).code(0);
    let id = lab.script("true");
    let table = lab.run(&["jobs"]).code(0);
    assert!(table.stdout.contains("pending (queue paused)"), "{table:?}");
    let job = lab.job(&id);
    assert_eq!(job["waitingFor"], "resume");
    let status = lab.run(&["status", &id]).code(0);
    assert!(status.stdout.contains("queue paused"), "{status:?}");
    let queues = lab.run(&["queues"]).code(0);
    assert!(queues.stdout.contains("WAITS SINCE"), "{queues:?}");
    let queues = lab.run(&["queues", "--json"]).code(0).json();
    let queues = queues["queues"].as_array().expect("queues");
    let default = queues.iter().find(|queue| queue["name"] == "default");
    assert_eq!(default.expect("the queue")["waitingSince"], job["runAt"]);
}
