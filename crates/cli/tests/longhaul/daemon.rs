//! The server in the background: started once, lost and found, replaced, and gone when nobody needs it.

use std::{
    fs,
    os::{fd::AsRawFd as _, unix::fs::PermissionsExt as _},
    process::Stdio,
    time::Duration,
};

use rustix::process::Signal;

use crate::support::{Lab, Running, done, eventually, is_alive, number_in, signal};

#[test]
fn ten_commands_at_once_start_one_server() {
    let lab = Lab::new();
    let commands: Vec<Running> = (0..10).map(|_| lab.start(&["jobs", "--json"])).collect();
    let mut told = 0;
    for command in commands {
        let done = command.done().code(0);
        told += usize::from(done.stderr.contains("started a server in the background"));
    }
    let log = lab.log();
    // Not one that won and nine that lost: one that was started at all.
    assert_eq!(log.matches("starting on").count(), 1, "{log}");
    assert_eq!(log.matches("listening on").count(), 1, "{log}");
    assert_eq!(
        told, 1,
        "the first start alone says how to make it a service"
    );
}

#[test]
fn the_first_start_says_so_and_the_next_does_not() {
    let lab = Lab::new();
    let first = lab.run(&["jobs"]).code(0);
    let lines: Vec<&str> = first.stderr.lines().collect();
    assert!(lines[0].contains("longhaul service install"), "{first:?}");
    lab.kill_server();
    let next = lab.run(&["jobs"]).code(0);
    assert!(!next.stderr.contains("service install"), "{next:?}");
}

#[test]
fn the_server_keeps_nothing_of_its_caller() {
    let lab = Lab::new();
    let held = lab.path("held");
    let script = format!(
        "exec 9>'{}'; SECRET=x '{}' jobs",
        held.display(),
        env!("CARGO_BIN_EXE_longhaul")
    );
    done(lab.program("/bin/sh").args(["-c", &script])).code(0);
    let pid = lab.server_pid();
    let of = |name: &str| fs::read_link(format!("/proc/{pid}/{name}")).expect("a link");
    assert_eq!(of("cwd"), std::path::Path::new("/"));
    assert_eq!(of("fd/0"), std::path::Path::new("/dev/null"));
    assert_eq!(of("fd/2"), lab.data().join("serve.log"));
    let open = fs::read_dir(format!("/proc/{pid}/fd")).expect("a list");
    for entry in open.filter_map(Result::ok) {
        let target = fs::read_link(entry.path()).unwrap_or_default();
        assert_ne!(
            target, held,
            "an inherited descriptor holds a file of the caller"
        );
    }
    let stat = fs::read_to_string(format!("/proc/{pid}/stat")).expect("its state");
    let (_, fields) = stat.rsplit_once(')').expect("a name");
    let session: i32 = fields
        .split_whitespace()
        .nth(3)
        .expect("a field")
        .parse()
        .expect("a number");
    assert_eq!(session, pid, "it leads a session of its own");
    let environment = fs::read(format!("/proc/{pid}/environ")).expect("its environment");
    let environment = String::from_utf8_lossy(&environment).into_owned();
    assert!(!environment.contains("SECRET"), "{environment}");
}

#[test]
fn it_opens_no_tcp_port() {
    let lab = Lab::new();
    lab.run(&["jobs"]).code(0);
    let pid = lab.server_pid();
    let sockets: Vec<String> = fs::read_dir(format!("/proc/{pid}/fd"))
        .expect("a list")
        .filter_map(|entry| fs::read_link(entry.ok()?.path()).ok())
        .filter_map(|target| {
            let inode = target
                .to_str()?
                .strip_prefix("socket:[")?
                .strip_suffix(']')?;
            Some(inode.to_owned())
        })
        .collect();
    assert!(!sockets.is_empty(), "the unix socket at least");
    for table in ["tcp", "tcp6"] {
        let table = fs::read_to_string(format!("/proc/{pid}/net/{table}")).expect("a table");
        for line in table.lines().skip(1) {
            let inode = line.split_whitespace().nth(9).unwrap_or_default();
            assert!(!sockets.iter().any(|socket| socket == inode), "{line}");
        }
    }
}

#[test]
fn a_job_goes_on_after_the_server_was_killed() {
    let lab = Lab::new();
    let starts = lab.path("starts");
    let go = lab.path("go");
    let script = format!(
        "echo $$ >> '{}'; while [ ! -e '{}' ]; do sleep 0.05; done; echo went on",
        starts.display(),
        go.display()
    );
    let id = lab.script(&script);
    let first = number_in(&starts);
    lab.kill_server();
    assert!(is_alive(first), "the kill leaves the program behind");
    lab.run(&["jobs"]).code(0);
    eventually("it runs again", || lab.read("starts").lines().count() == 2);
    assert!(!is_alive(first), "never two of them together");
    fs::write(&go, "").expect("written");
    lab.run(&["watch", &id]).code(0);
    let log = lab.run(&["logs", &id]).code(0).stdout;
    assert!(
        log.contains("of its processes were left and are ended"),
        "{log}"
    );
    assert!(log.contains("went on"), "{log}");
}

#[test]
fn watching_goes_on_over_the_death_of_the_server() {
    let lab = Lab::new();
    let go = lab.path("go");
    let id = lab.script(&format!(
        "while [ ! -e '{}' ]; do sleep 0.05; done",
        go.display()
    ));
    let watch = lab.start(&["watch", &id]);
    eventually("it watches", || watch.stderr().contains("Job is"));
    let dead = lab.kill_server();
    eventually("another server runs", || {
        lab.server()
            .is_some_and(|info| i64::from(info.pid) != i64::from(dead))
    });
    fs::write(&go, "").expect("written");
    let done = watch.done().code(0);
    assert!(done.stderr.contains("completed"), "{done:?}");
}

#[test]
fn the_units_command_alone_lets_the_work_go_on() {
    let lab = Lab::new();
    lab.run(&["service", "install", "--no-start"]).code(0);
    let starts = lab.path("starts");
    let go = lab.path("go");
    let id = lab.script(&format!(
        "echo $$ >> '{}'; while [ ! -e '{}' ]; do sleep 0.05; done",
        starts.display(),
        go.display()
    ));
    let program = number_in(&starts);
    lab.kill_server();
    signal(program, Signal::KILL);
    eventually("everything is dead", || !is_alive(program));

    let unit = lab.read("home/.config/systemd/user/longhaul.service");
    let line = unit
        .lines()
        .find_map(|line| line.strip_prefix("ExecStart="));
    let words: Vec<String> = line
        .expect("a command")
        .split('"')
        .map(str::trim)
        .filter(|word| !word.is_empty())
        .map(str::to_owned)
        .collect();
    // As systemd starts it: with no word of the data folder in the environment.
    let mut command = lab.program(&words[0]);
    let service = Running::start(command.args(&words[1..]).env_remove("LONGHAUL_DATA_DIR"));
    eventually("the job runs again", || {
        lab.read("starts").lines().count() == 2
    });
    fs::write(&go, "").expect("written");
    lab.run(&["watch", &id]).code(0);
    assert_eq!(
        lab.server_pid(),
        service.pid(),
        "no command started another server"
    );
    service.signal(Signal::TERM);
    service.done().code(0);
}

#[test]
fn a_second_server_on_a_folder_is_refused() {
    let lab = Lab::new();
    let first = lab.start(&["serve"]);
    eventually("it answers", || lab.server().is_some());
    let refused = lab.run(&["serve"]).code(1);
    assert!(refused.stderr.contains("a server runs on"), "{refused:?}");
    assert!(refused.stderr.contains("--data-dir"), "{refused:?}");
    lab.run(&["jobs"]).code(0);
    assert_eq!(lab.server_pid(), first.pid());
}

#[test]
fn a_server_that_a_command_started_gives_way_to_one_started_on_purpose() {
    let lab = Lab::new();
    let go = lab.path("go");
    let id = lab.script(&format!(
        "while [ ! -e '{}' ]; do sleep 0.05; done",
        go.display()
    ));
    let background = lab.server_pid();
    let server = lab.start(&["serve"]);
    eventually("it answers", || {
        lab.server()
            .is_some_and(|info| i64::from(info.pid) == i64::from(server.pid()))
    });
    eventually("the other is gone", || !is_alive(background));
    fs::write(&go, "").expect("written");
    lab.run(&["watch", &id]).code(0);
}

#[test]
fn an_embedded_engine_on_the_database_is_not_disturbed() {
    let lab = Lab::new();
    lab.run(&["jobs"]).code(0);
    lab.kill_server();
    let held =
        longhaul::store::sqlite::SqliteStore::lock(lab.data().join("jobs.db")).expect("free");
    let refused = lab.run(&["serve"]).code(1);
    assert!(
        refused.stderr.contains("run by another process"),
        "{refused:?}"
    );
    let refused = lab.run(&["jobs"]).code(7);
    assert!(
        refused.stderr.contains("run by another process"),
        "{refused:?}"
    );
    let doctor = lab.run(&["doctor"]).code(1);
    assert!(
        doctor.stdout.contains("something holds the database"),
        "{doctor:?}"
    );
    drop(held);
    lab.run(&["jobs"]).code(0);
}

#[test]
fn a_server_of_another_build_is_drained_and_replaced() {
    let lab = Lab::new();
    let old = lab.start(&["serve", "--on-demand", "--build-id", "0.0.9+old"]);
    eventually("it answers", || lab.server().is_some());
    let starts = lab.path("starts");
    let go = lab.path("go");
    // A job that the old server runs: submitted without a command, which would replace it.
    let request = serde_json::json!({
        "kind": "longhaul.run",
        "args": {
            "command": ["/bin/sh", "-c", format!(
                "echo $$ >> '{}'; while [ ! -e '{}' ]; do sleep 0.05; done",
                starts.display(),
                go.display(),
            )],
            "folder": "/",
            "environment": { "PATH": "/usr/bin:/bin" },
        },
    });
    let request = serde_json::from_value(request).expect("a request");
    let client = longhaul_client::Client::unix(lab.socket()).expect("a client");
    let submitted = crate::support::block_on(client.submit(&request)).expect("submitted");
    let program = number_in(&starts);

    let jobs = lab.run(&["jobs", "--json"]).code(0);
    assert!(
        jobs.stderr
            .contains("replacing the server of build 0.0.9+old"),
        "{jobs:?}"
    );
    assert_ne!(lab.server_pid(), old.pid());
    old.done().code(0);
    eventually("the drained run has ended", || !is_alive(program));
    eventually("it runs again", || lab.read("starts").lines().count() == 2);
    fs::write(&go, "").expect("written");
    lab.run(&["watch", submitted.job_id.as_str()]).code(0);
    let job = lab.job(submitted.job_id.as_str());
    assert_eq!(job["attempts"], 0, "a release spends no attempt: {job}");
}

#[test]
fn a_server_that_nobody_needs_stops() {
    let lab = Lab::new();
    let server = lab.start(&["serve", "--on-demand", "--idle", "0.2"]);
    let done = server.done().code(0);
    assert!(done.stderr.contains("nobody needs it"), "{done:?}");
    assert!(!lab.socket().exists());

    lab.run(&[
        "submit",
        "longhaul.run",
        r#"{"command":["/bin/true"],"folder":"/"}"#,
        "--held",
    ])
    .code(0);
    lab.kill_server();
    let server = lab.start(&["serve", "--on-demand", "--idle", "0.2"]);
    eventually("it answers", || lab.server().is_some());
    // The wait is for the absence of an end: several times the span after which it would stop.
    let end = std::time::Instant::now() + Duration::from_secs(1);
    eventually("time passes", || std::time::Instant::now() >= end);
    assert!(is_alive(server.pid()), "a held job keeps it");
}

#[test]
fn sigterm_gives_back_what_runs() {
    let lab = Lab::new();
    let server = lab.start(&["serve"]);
    eventually("it answers", || lab.server().is_some());
    let started = lab.path("started");
    let id = lab.script(&format!("echo $$ > '{}'; sleep 1000", started.display()));
    let program = number_in(&started);
    server.signal(Signal::TERM);
    let done = server.done().code(0);
    assert!(done.stderr.contains("stopping"), "{done:?}");
    assert!(!is_alive(program), "the program ends with its run");
    let job = lab.job(&id);
    assert_eq!(job["attempts"], 0, "{job}");
    lab.run(&["cancel", &id]).code(0);
}

#[test]
fn a_server_that_can_not_start_says_why() {
    let lab = Lab::new();
    fs::create_dir(lab.data()).expect("a folder");
    fs::set_permissions(lab.data(), fs::Permissions::from_mode(0o700)).expect("closed");
    fs::write(
        lab.data().join("jobs.db"),
        "this is no database, by far not".repeat(100),
    )
    .expect("written");
    let failed = lab.run(&["jobs"]).code(7);
    assert!(
        failed.stderr.contains("is no SQLite database"),
        "{failed:?}"
    );
    assert!(failed.stderr.contains("serve.log"), "{failed:?}");
}

#[test]
fn a_descriptor_of_the_caller_is_closed_in_the_foreground_too() {
    let lab = Lab::new();
    let (reader, writer) = std::io::pipe().expect("a pipe");
    rustix::io::fcntl_setfd(&writer, rustix::io::FdFlags::empty()).expect("inheritable");
    let number = writer.as_raw_fd();
    let mut command = lab.longhaul(&["serve"]);
    let server = Running::start(command.stdin(Stdio::null()));
    drop(writer);
    eventually("it answers", || lab.server().is_some());
    let own = fs::read_link(format!("/proc/self/fd/{}", reader.as_raw_fd())).expect("a pipe");
    let theirs = fs::read_link(format!("/proc/{}/fd/{number}", server.pid())).unwrap_or_default();
    assert_ne!(own, theirs);
}

#[test]
fn the_server_may_open_as_many_files_as_it_needs_or_says_so() {
    let limit = |pid: i32| {
        let limits = fs::read_to_string(format!("/proc/{pid}/limits")).expect("limits");
        let line = limits
            .lines()
            .find(|line| line.starts_with("Max open files"));
        let words: Vec<&str> = line.expect("a limit").split_whitespace().collect();
        words[3].parse::<u64>().expect("a number")
    };
    let started = |script: &str| {
        let lab = Lab::new();
        let script = format!("{script}; exec '{}' jobs", env!("CARGO_BIN_EXE_longhaul"));
        done(lab.program("/bin/sh").args(["-c", &script])).code(0);
        lab
    };
    let me = i32::try_from(std::process::id()).expect("a small number");
    let lab = started("ulimit -Sn 512");
    assert!(limit(lab.server_pid()) >= limit(me).min(16_384));
    let lab = started("ulimit -n 512");
    assert_eq!(limit(lab.server_pid()), 512);
    let log = lab.log();
    assert!(log.contains("only 512 files may be open"), "{log}");
}
