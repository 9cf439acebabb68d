//! `longhaul schedules` and `longhaul schedule` against a real server that is killed in between.

use std::collections::BTreeSet;

use serde_json::Value;

use crate::support::{Lab, eventually};

const TRUE: &str = r#"{"command":["/bin/true"],"folder":"/"}"#;

fn set(lab: &Lab, name: &str, more: &[&str]) -> crate::support::Done {
    let mut args = vec![
        "schedule",
        "set",
        name,
        "--kind",
        "longhaul.run",
        "--args",
        TRUE,
    ];
    args.extend(more);
    lab.run(&args)
}

fn show(lab: &Lab, name: &str) -> Value {
    lab.run(&["schedule", "show", name, "--json"])
        .code(0)
        .json()
}

#[test]
fn a_schedule_is_set_listed_paused_and_removed() {
    let lab = Lab::new();
    let done = set(
        &lab,
        "nightly",
        &["--cron", "30 2 * * *", "--zone", "Europe/Berlin"],
    )
    .code(0);
    assert!(done.stdout.starts_with("nightly set: next 20"), "{done:?}");
    assert!(done.stderr.contains("longhaul service install"), "{done:?}");
    let shown = show(&lab, "nightly");
    assert_eq!(shown["nextTimes"].as_array().expect("times").len(), 5);
    assert_eq!(shown["schedule"]["zone"], "Europe/Berlin");
    let listed = lab.run(&["schedules"]).code(0).stdout;
    assert!(
        listed.contains("30 2 * * *") && listed.contains("Europe/Berlin"),
        "{listed}"
    );
    let paused = lab.run(&["schedule", "pause", "nightly"]).code(0);
    assert_eq!(paused.stdout, "nightly paused\n");
    // Set anew, it stays paused.
    set(&lab, "nightly", &["--every", "1h"]).code(0);
    let page = lab.run(&["schedules", "--json"]).code(0).json();
    assert_eq!(page["schedules"][0]["paused"], true);
    assert_eq!(page["schedules"][0]["schedule"]["every"], 3600.0);
    let id = lab.run(&["schedule", "run", "nightly"]).code(0).id();
    lab.run(&["watch", &id]).code(0);
    let text = lab.run(&["schedule", "show", "nightly"]).code(0).stdout;
    assert!(text.contains(&format!("as job {id}")), "{text}");
    let resumed = lab.run(&["schedule", "resume", "nightly"]).code(0);
    assert!(
        resumed.stdout.starts_with("nightly resumed: next"),
        "{resumed:?}"
    );
    lab.run(&["schedule", "remove", "nightly"]).code(0);
    let none = lab.run(&["schedules"]).code(0);
    assert_eq!(
        (none.stdout.as_str(), none.stderr.as_str()),
        ("", "No schedules.\n")
    );
}

#[test]
fn a_kill_neither_loses_a_time_nor_doubles_one() {
    let lab = Lab::new();
    set(&lab, "often", &["--every", "1", "--missed", "all"]).code(0);
    let submitted = || show(&lab, "often")["submitted"].as_u64().expect("a number");
    for round in 1..=3 {
        eventually("it submits", || submitted() >= round * 2);
        lab.kill_server();
    }
    lab.run(&["schedule", "pause", "often"]).code(0);
    let now = show(&lab, "often");
    assert_eq!(
        (&now["missed"], &now["skipped"]),
        (&Value::from(0), &Value::from(0))
    );
    let page = lab
        .run(&[
            "jobs",
            "--label",
            "schedule=often",
            "--limit",
            "1000",
            "--json",
        ])
        .code(0)
        .json();
    let jobs = page["jobs"].as_array().expect("jobs");
    let ids: BTreeSet<&str> = jobs
        .iter()
        .filter_map(|job| job["jobId"].as_str())
        .collect();
    assert_eq!(
        ids.len() as u64,
        now["submitted"].as_u64().expect("a number")
    );
    // One a second, from the first to the last: none is lost, none is double.
    let time = |value: &Value| -> i64 {
        let text = value.as_str().expect("a time");
        text.parse::<longhaul_types::Timestamp>().expect("a time").0
    };
    let span = time(&now["lastTime"]) - time(&now["createdAt"]);
    assert_eq!(span / 1000, i64::try_from(ids.len()).expect("a number"));
}

#[test]
fn what_does_not_fit_is_refused_with_what_to_do() {
    let lab = Lab::new();
    let refused = set(&lab, "s", &["--cron", "61 * * * *"]).code(2);
    assert!(
        refused.stderr.contains("is no cron expression"),
        "{refused:?}"
    );
    let refused = set(&lab, "s", &["--cron", "0 0 30 2 *"]).code(2);
    assert!(
        refused.stderr.contains("no day has such a time"),
        "{refused:?}"
    );
    let refused = set(&lab, "s", &["--cron", "@daily", "--zone", "Mars/Base"]).code(2);
    assert!(refused.stderr.contains("IANA name"), "{refused:?}");
    set(&lab, "s", &[]).code(2);
    set(&lab, "s", &["--cron", "@daily", "--every", "1h"]).code(2);
    set(&lab, "s", &["--cron", "@daily", "--missed", "never"]).code(2);
    let refused = lab.run(&["schedule", "pause", "no\u{1b}such"]).code(5);
    assert!(refused.stderr.contains("longhaul schedules"), "{refused:?}");
    assert!(!refused.stderr.contains('\u{1b}'), "{refused:?}");
}
