//! `longhaul run`: a program as a job.

use std::fs;

use crate::support::{Lab, done, eventually, is_alive, number_in};

#[test]
fn output_comes_out_where_the_program_wrote_it() {
    let lab = Lab::new();
    let run = lab
        .run(&[
            "run",
            "--",
            "sh",
            "-c",
            "echo out; echo err >&2; printf 'no end'",
        ])
        .code(0);
    assert_eq!(run.stdout, "out\nno end\n");
    assert!(run.stderr.contains("err\n"), "{run:?}");
    assert!(run.stderr.contains("completed in"), "{run:?}");
}

#[test]
fn every_line_of_a_burst_is_kept() {
    let lab = Lab::new();
    let run = lab.run(&["run", "--", "seq", "1", "9000"]).code(0);
    let expected: String = (1..=9000).map(|n| format!("{n}\n")).collect();
    assert!(
        run.stdout == expected,
        "{} lines came",
        run.stdout.lines().count()
    );
}

#[test]
fn a_failure_has_the_exit_code_and_the_last_complaint() {
    let lab = Lab::new();
    let id = lab.script("echo bad luck >&2; exit 3");
    lab.run(&["watch", &id]).code(1);
    let job = lab.job(&id);
    assert_eq!(job["state"], "failed");
    assert_eq!(job["error"], "the command ended with exit code 3: bad luck");
    assert_eq!(job["errorCode"], "command_failed");
    assert_eq!(job["progress"]["metadata"]["exitCode"], 3);
    assert_eq!(job["attempts"], 1, "not tried again unless asked for");
    let killed = lab.script("kill -9 $$");
    lab.run(&["watch", &killed]).code(1);
    let error = lab.job(&killed)["error"]
        .as_str()
        .unwrap_or_default()
        .to_owned();
    assert!(error.contains("signal 9 (SIGKILL)"), "{error}");
}

#[test]
fn it_is_tried_again_when_asked_for() {
    let lab = Lab::new();
    let tries = lab.path("tries");
    let script = format!(
        "echo x >> '{0}'; [ $(wc -l < '{0}') -ge 2 ]",
        tries.display()
    );
    lab.run(&["run", "--max-attempts", "3", "--", "sh", "-c", &script])
        .code(0);
    assert_eq!(lab.read("tries").lines().count(), 2);
}

#[test]
fn cancel_ends_the_whole_group() {
    let lab = Lab::new();
    let (child, grandchild) = (lab.path("child"), lab.path("grandchild"));
    // The grandchild does not heed SIGTERM.
    let script = format!(
        "echo $$ > '{}'; sh -c 'trap \"\" TERM; echo $$ > \"{}\"; while :; do sleep 1; done' & wait",
        child.display(),
        grandchild.display()
    );
    let id = lab.script(&script);
    let (child, grandchild) = (number_in(&child), number_in(&grandchild));
    lab.run(&["cancel", &id]).code(0);
    lab.run(&["watch", &id]).code(6);
    assert!(!is_alive(child) && !is_alive(grandchild));
    assert_eq!(lab.state(&id), "cancelled");
}

#[test]
fn what_a_program_leaves_behind_ends_with_it() {
    let lab = Lab::new();
    let left = lab.path("left");
    let script = format!("sleep 1000 & echo $! > '{}'; echo done", left.display());
    let run = lab.run(&["run", "--", "sh", "-c", &script]).code(0);
    assert!(run.stderr.contains("left behind"), "{run:?}");
    assert!(!is_alive(number_in(&left)));
}

#[test]
fn a_time_limit_ends_the_program() {
    let lab = Lab::new();
    let started = lab.path("started");
    let script = format!("echo $$ > '{}'; sleep 1000", started.display());
    let run = lab
        .run(&["run", "--attempt-timeout", "0.5", "--", "sh", "-c", &script])
        .code(1);
    assert!(run.stderr.contains("took longer"), "{run:?}");
    assert!(!is_alive(number_in(&started)));
}

#[test]
fn progress_is_found_in_the_output() {
    let lab = Lab::new();
    let go = lab.path("go");
    let script = format!(
        r"printf '10%%\r20%%\r'; echo; while [ ! -e '{}' ]; do sleep 0.05; done; echo 100%",
        go.display()
    );
    let id = lab
        .run(&[
            "run",
            "-b",
            "--progress-pattern",
            r"(\d+)%",
            "--",
            "sh",
            "-c",
            &script,
        ])
        .code(0)
        .id();
    eventually("the progress is known", || {
        lab.job(&id)["progress"]["percentage"] == 20
    });
    fs::write(&go, "").expect("written");
    lab.run(&["watch", &id]).code(0);
    assert_eq!(lab.job(&id)["progress"]["percentage"], 100);
    let files = lab
        .run(&[
            "run",
            "-b",
            "--progress-pattern",
            r"(\d+) of (\d+)",
            "--",
            "echo",
            "3 of 12 files",
        ])
        .code(0)
        .id();
    lab.run(&["watch", &files]).code(0);
    let progress = &lab.job(&files)["progress"];
    assert_eq!(
        (&progress["current"], &progress["total"]),
        (&3.into(), &12.into())
    );
}

#[test]
fn it_gets_the_callers_folder_and_only_what_was_asked_of_its_environment() {
    let lab = Lab::new();
    fs::create_dir(lab.path("work")).expect("a folder");
    let mut command = lab.longhaul(&["run", "--env", "WANTED", "--env", "SET=here", "--", "env"]);
    command.current_dir(lab.path("work"));
    command
        .env("WANTED", "yes")
        .env("SECRET", "no")
        .env("LANG", "C");
    let run = done(&mut command).code(0);
    let mut names: Vec<&str> = run
        .stdout
        .lines()
        .filter_map(|line| line.split_once('=').map(|(name, _)| name))
        .collect();
    names.sort_unstable();
    assert_eq!(
        names,
        [
            "HOME",
            "LANG",
            "LONGHAUL_JOB_ID",
            "LONGHAUL_RUN",
            "PATH",
            "SET",
            "WANTED"
        ]
    );
    let mut command = lab.longhaul(&["run", "--", "pwd"]);
    let run = done(command.current_dir(lab.path("work"))).code(0);
    let work = fs::canonicalize(lab.path("work")).expect("a path");
    assert_eq!(run.stdout.trim(), work.to_str().expect("text"));
    let fds = lab.run(&["run", "--", "ls", "/proc/self/fd"]).code(0);
    assert_eq!(
        fds.stdout, "0\n1\n2\n3\n",
        "no descriptor but the three, and that of the listing"
    );
}

#[test]
fn a_program_that_is_not_there_is_refused_at_once() {
    let lab = Lab::new();
    let gone = lab.run(&["run", "--", "no-such-program"]).code(5);
    assert!(
        gone.stderr
            .contains("there is no program 'no-such-program'"),
        "{gone:?}"
    );
    lab.write("home/plain", "");
    lab.run(&["run", "--", "./plain"]).code(2);
    lab.run(&["run", "--", "./gone"]).code(5);
    lab.run(&["run", "--progress-pattern", "(", "--", "true"])
        .code(2);
    lab.run(&["run", "--env", "UNSET", "--", "true"]).code(2);
    assert!(!lab.data().exists(), "nothing was started for it");
}

#[test]
fn the_orphans_of_a_killed_server_end_before_the_next_run_wherever_they_went() {
    let lab = Lab::new();
    let (pids, go) = (lab.path("pids"), lab.path("go"));
    // One process in the group, and one that left it for a session of its own.
    let script = format!(
        "echo $$ >> '{0}'; setsid sleep 1000 & echo $! >> '{0}'; \
         while [ ! -e '{1}' ]; do sleep 0.05; done",
        pids.display(),
        go.display()
    );
    let id = lab.script(&script);
    eventually("both run", || lab.read("pids").lines().count() == 2);
    let earlier: Vec<i32> = lab
        .read("pids")
        .lines()
        .map(|line| line.parse().expect("a number"))
        .collect();
    lab.kill_server();
    assert!(earlier.iter().all(|pid| is_alive(*pid)));
    lab.run(&["jobs"]).code(0);
    eventually("it runs again", || lab.read("pids").lines().count() == 4);
    assert!(earlier.iter().all(|pid| !is_alive(*pid)), "{earlier:?}");
    fs::write(&go, "").expect("written");
    lab.run(&["watch", &id]).code(0);
    let later = lab.read("pids");
    let alive = |pid: &str| is_alive(pid.parse().expect("a number"));
    assert!(
        !later.lines().any(alive),
        "the end of the job leaves nothing"
    );
}
