//! What is written where: colours and bars for terminals that want them, plain lines and JSON for the rest.

use std::process::Command;

use crate::support::{Done, Lab, done, eventually};

/// Runs `longhaul` on a terminal of its own; both streams come as one.
fn on_terminal(lab: &Lab, args: &str, variables: &[(&str, &str)]) -> Done {
    let mut command: Command = lab.program("/usr/bin/script");
    let line = format!("'{}' {args}", env!("CARGO_BIN_EXE_longhaul"));
    command.args(["-qec", &line, "/dev/null"]);
    command.env("TERM", "xterm");
    command.envs(variables.iter().copied());
    done(&mut command)
}

const ESCAPE: char = '\u{1b}';

#[test]
fn colours_and_bars_go_to_terminals_that_want_them() {
    let lab = Lab::new();
    lab.run(&["jobs"]).code(0);
    let progress = r"run --progress-pattern '(\d+)%' -- sh -c 'echo 50%; sleep 0.6'";
    let rich = on_terminal(&lab, progress, &[]).code(0).stdout;
    assert!(
        rich.contains('█') && rich.contains("\u{1b}[36m"),
        "{rich:?}"
    );
    let plain = on_terminal(&lab, progress, &[("NO_COLOR", "1")])
        .code(0)
        .stdout;
    assert!(
        plain.contains('█') && !plain.contains("\u{1b}[3"),
        "{plain:?}"
    );
    let dumb = on_terminal(&lab, progress, &[("TERM", "dumb")])
        .code(0)
        .stdout;
    assert!(!dumb.contains('█') && !dumb.contains(ESCAPE), "{dumb:?}");
    assert!(dumb.contains("50 %"), "{dumb:?}");
}

#[test]
fn doctors_colours_follow_standard_output() {
    let lab = Lab::new();
    lab.run(&["jobs"]).code(0);
    assert!(
        on_terminal(&lab, "doctor", &[])
            .stdout
            .contains("\u{1b}[32m✓")
    );
    assert!(
        !on_terminal(&lab, "doctor", &[("NO_COLOR", "1")])
            .stdout
            .contains(ESCAPE)
    );
    assert!(!lab.run(&["doctor"]).stdout.contains(ESCAPE));
}

#[test]
fn a_log_can_not_take_over_the_terminal() {
    let lab = Lab::new();
    let evil = r"printf '\033]0;owned\007\033[2Jx \342\200\256abc\n'";
    let run = lab.run(&["run", "--", "sh", "-c", evil]).code(0);
    assert_eq!(
        run.stdout,
        "\\u{1b}]0;owned\\u{7}\\u{1b}[2Jx \\u{202e}abc\n"
    );
    let id = lab.script(evil);
    lab.run(&["watch", &id]).code(0);
    for args in [
        &["logs", &id][..],
        &["logs", &id, "--json"],
        &["status", &id, "--verbose"],
        &["status", &id, "--verbose", "--json"],
    ] {
        let shown = lab.run(args).code(0).stdout;
        assert!(shown.contains("owned"), "{shown}");
        assert!(!shown.contains([ESCAPE, '\u{202e}', '\u{7}']), "{shown:?}");
    }
}

#[test]
fn output_that_nobody_reads_any_more_ends_quietly() {
    let lab = Lab::new();
    let id = lab.script("seq 1 5000");
    lab.run(&["watch", &id]).code(0);
    let line = format!(
        "'{}' logs {id} | head -n 1; wait",
        env!("CARGO_BIN_EXE_longhaul")
    );
    let piped = done(lab.program("/bin/sh").args(["-c", &line])).code(0);
    assert_eq!(piped.stdout.lines().count(), 1);
    assert_eq!(piped.stderr, "");
}

#[test]
fn following_as_json_is_a_line_an_event() {
    let lab = Lab::new();
    let run = lab
        .run(&["--json", "run", "--", "sh", "-c", "echo a; echo b"])
        .code(0);
    let lines = run.json_lines();
    let events: Vec<&str> = lines
        .iter()
        .filter_map(|line| line["event"].as_str())
        .collect();
    assert_eq!(events.len(), lines.len(), "each says what it is: {run:?}");
    let last = lines.last().expect("a line");
    assert_eq!(last["event"], "job");
    assert_eq!(last["job"]["state"], "completed");
    let texts: Vec<&str> = lines
        .iter()
        .filter(|line| line["event"] == "log")
        .flat_map(|line| line["lines"].as_array().into_iter().flatten())
        .filter_map(|line| line["text"].as_str())
        .collect();
    assert_eq!(texts, ["a", "b"]);
}

#[test]
fn progress_without_a_terminal_is_a_line_now_and_then() {
    let lab = Lab::new();
    let script = "for n in $(seq 0 100); do echo $n%; done";
    let id = lab
        .run(&[
            "run",
            "-b",
            "--progress-pattern",
            r"(\d+)%",
            "--",
            "sh",
            "-c",
            script,
        ])
        .code(0)
        .id();
    let watch = lab.start(&["watch", &id]);
    eventually("it ends", || watch.stderr().contains("completed"));
    let done = watch.done().code(0);
    let shown = done
        .stderr
        .lines()
        .filter(|line| line.contains(" %"))
        .count();
    assert!(shown <= 21, "at most one each 5 %: {done:?}");
    assert_eq!(done.stdout.lines().count(), 1, "the result alone: {done:?}");
}
