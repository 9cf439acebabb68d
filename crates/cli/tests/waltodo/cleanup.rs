//! `jobs --cleanup`: what has ended long enough ago goes, and nothing else.

use std::time::Duration;

use crate::support::Lab;

const DAY: Duration = Duration::from_hours(24);

/// The ids of all jobs.
fn ids(lab: &Lab) -> Vec<String> {
    let jobs = lab.run(&["jobs", "--json"]).code(0).json();
    let jobs = jobs["jobs"].as_array().expect("jobs").iter();
    jobs.map(|job| job["jobId"].as_str().expect("an id").to_owned())
        .collect()
}

#[test]
fn old_jobs_are_cleaned_up_and_those_that_run_never() {
    let lab = Lab::new();
    let todos = lab.todos("mylist", 2);
    let blob = lab.todo("Buy milk");
    for id in ["done-old", "done-new"] {
        lab.run(&["retrieve", &blob, "--job-id", id]).code(0);
    }
    lab.run(&["retrieve", "nothing", "--job-id", "failed-old"])
        .code(1);
    lab.stall(&todos[1].1);
    for id in ["cancelled-old", "runs"] {
        lab.run(&["retrieve", "mylist", "-b", "--job-id", id])
            .code(0);
        lab.wait(id, "running", 1);
    }
    lab.run(&["cancel", "cancelled-old"]).code(0);
    lab.wait("cancelled-old", "cancelled", 1);
    for id in ["done-old", "failed-old", "cancelled-old"] {
        lab.age(id, 3 * DAY / 2);
    }

    let text = lab.run(&["jobs", "--cleanup"]).code(0).stdout;
    assert_eq!(
        text,
        "✓ Background jobs cleaned up: 0 (older than 7 days)\n"
    );
    assert_eq!(ids(&lab).len(), 5);
    let text = lab.run(&["jobs", "--cleanup", "--max-age", "1"]);
    assert_eq!(
        text.code(0).stdout,
        "✓ Background jobs cleaned up: 3 (older than 1 day)\n\
         \n\
         📊 Summary\n\
         ──────────────────\n\
         Total: 3\n\
         Completed: 1\n\
         Failed: 1\n\
         Cancelled: 1\n"
    );
    assert_eq!(ids(&lab), ["done-new", "runs"]);
    lab.run(&["status", "done-old"]).code(5);

    let json = lab.run(&["jobs", "--cleanup", "--max-age", "0", "--json"]);
    let json = json.code(0).json();
    assert_eq!(
        (&json["removed"], &json["completed"]),
        (&1.into(), &1.into())
    );
    assert_eq!(ids(&lab), ["runs"]);
    lab.wait("runs", "running", 1);
}

#[test]
fn more_jobs_than_a_page_are_cleaned_up() {
    let lab = Lab::new();
    assert_eq!(ids(&lab).len(), 0);
    lab.failures(150);
    let text = lab.run(&["jobs", "--cleanup", "--max-age", "0"]);
    let text = text.code(0).stdout;
    assert!(text.ends_with("\nTotal: 150\nFailed: 150\n"), "{text}");
    assert_eq!(ids(&lab).len(), 0);
}

#[test]
fn an_age_that_is_none_is_refused() {
    let lab = Lab::new();
    for (args, why) in [
        (
            &["--cleanup", "--max-age", "-1"][..],
            "'-1' is no number of days",
        ),
        (
            &["--cleanup", "--max-age", "soon"],
            "'soon' is no number of days",
        ),
        (
            &["--cleanup", "--max-age", "inf"],
            "'inf' is no number of days",
        ),
        (&["--max-age", "1"], "--cleanup"),
        (&["--cleanup", "--active"], "cannot be used with"),
        (&["--cleanup", "--limit", "3"], "cannot be used with"),
    ] {
        let done = lab.run(&[&["jobs"], args].concat()).code(2);
        assert!(done.stderr.contains(why), "{why:?}: {done:?}");
    }
    assert!(!lab.path("data").exists(), "a server was started");
}
