//! `longhaul cancel` and `longhaul retry` of many jobs.

use crate::support::{Lab, done};

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
