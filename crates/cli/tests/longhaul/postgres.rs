//! `longhaul serve --database-url`: servers that share a PostgreSQL database.

use std::fs;

use rustix::process::Signal;

use crate::{
    server::Server,
    support::{Lab, Running, eventually, signal},
};

/// A server on that database, with a lease of two seconds.
fn serve(lab: &Lab, database: &Server) -> Running {
    let args = ["serve", "--database-url", database.url(), "--lease", "2"];
    let running = lab.start(&args);
    eventually("the server answers", || lab.server().is_some());
    running
}

#[test]
fn what_a_killed_server_ran_goes_on_at_another() {
    let database = Server::start();
    let (one, other) = (Lab::new(), Lab::new());
    let _first = serve(&one, &database);
    let (begun, go) = (one.path("begun"), one.path("go"));
    let script = format!(
        "echo x >> '{}'; until [ -e '{}' ]; do sleep 0.05; done; echo done",
        begun.display(),
        go.display()
    );
    let id = one.script(&script);
    eventually("it runs", || begun.exists());
    let _second = serve(&other, &database);
    // The other server shows the job, and leaves it to the first.
    assert_eq!(other.state(&id), "running");
    one.kill_server();
    eventually("the other runs it", || {
        one.read("begun").lines().count() == 2
    });
    fs::write(&go, "").expect("written");
    eventually("it has completed", || other.state(&id) == "completed");
    let job = other.job(&id);
    assert_eq!(job["attempts"], 0, "a rescue spends no attempt: {job}");
    let log = other.run(&["logs", &id]).code(0);
    assert!(log.stdout.contains("done"), "{log:?}");
    // Who comes back finds it so.
    let _again = serve(&one, &database);
    assert_eq!(one.state(&id), "completed");
}

#[test]
fn requests_and_ends_reach_other_servers() {
    let database = Server::start();
    let (one, other) = (Lab::new(), Lab::new());
    let _first = serve(&one, &database);
    let _second = serve(&other, &database);
    // Whichever server runs it: each asks for the end of the other's.
    let begun = one.path("begun");
    let script = format!("echo x >> '{}'; exec sleep 600", begun.display());
    let ids = [one.script(&script), other.script(&script)];
    eventually("both run", || one.read("begun").lines().count() == 2);
    let watched = one.start(&["watch", &ids[1]]);
    one.run(&["cancel", &ids[1]]).code(0);
    other.run(&["cancel", &ids[0]]).code(0);
    watched.done().code(6);
    for id in &ids {
        eventually("it is cancelled", || one.state(id) == "cancelled");
    }
    // A paused queue is so at both.
    one.run(&["queues", "pause", "default"]).code(0);
    let waits = other.script("true");
    assert_eq!(one.state(&waits), "pending");
    other.run(&["queues", "resume", "default"]).code(0);
    one.run(&["watch", &waits]).code(0);
}

#[test]
fn a_server_that_was_frozen_beyond_its_lease_works_again() {
    let database = Server::start();
    let (one, other) = (Lab::new(), Lab::new());
    let _first = serve(&one, &database);
    let begun = one.path("begun");
    let script = format!("echo x >> '{}'; sleep 600", begun.display());
    let id = one.script(&script);
    eventually("it runs", || begun.exists());
    let pid = one.server_pid();
    signal(pid, Signal::STOP);
    let second = serve(&other, &database);
    eventually("the other has it", || {
        one.read("begun").lines().count() == 2
    });
    signal(pid, Signal::CONT);
    // What it ran is not its own any more, and it is told so.
    other.run(&["cancel", &id]).code(0);
    eventually("it is cancelled", || other.state(&id) == "cancelled");
    other.kill_server();
    drop(second);
    let new = one.run(&["run", "--", "echo", "again"]).code(0);
    assert_eq!(new.stdout, "again\n");
}

#[test]
fn a_database_that_goes_away_loses_nothing() {
    let mut database = Server::start();
    let lab = Lab::new();
    let _server = serve(&lab, &database);
    let (begun, go) = (lab.path("begun"), lab.path("go"));
    let script = format!(
        "echo x >> '{}'; until [ -e '{}' ]; do sleep 0.05; done; echo done",
        begun.display(),
        go.display()
    );
    let id = lab.script(&script);
    eventually("it runs", || begun.exists());
    database.crash();
    let refused = lab.run(&["run", "--background", "--", "true"]);
    assert_ne!(refused.code, Some(0), "{refused:?}");
    assert!(refused.stderr.contains("PostgreSQL"), "{refused:?}");
    // It ends while nobody can write it down.
    fs::write(&go, "").expect("written");
    database.recover();
    eventually("its end is known", || {
        let status = lab.run(&["status", &id, "--json"]);
        status.code == Some(0) && status.json()["state"] == "completed"
    });
    let log = lab.run(&["logs", &id]).code(0);
    assert!(log.stdout.contains("done"), "{log:?}");
    lab.run(&["run", "--", "true"]).code(0);
}

#[test]
fn a_server_that_runs_nothing_leaves_it_to_workers_of_the_queues_they_name() {
    let database = Server::start();
    let (front, back) = (Lab::new(), Lab::new());
    let place = ["--database-url", database.url(), "--lease", "2"];
    let _front = front.start(&[&["serve", "--no-worker"][..], &place].concat());
    eventually("the server answers", || front.server().is_some());
    let submit = |queue: &str| {
        let flags = ["run", "--background", "--queue", queue, "--", "true"];
        front.run(&flags).code(0).id()
    };
    let (quick, slow) = (submit("quick"), submit("slow"));
    assert_eq!(front.state(&quick), "pending");
    // One that was submitted later, of the queue that is named, runs; the other waits.
    let worker = back.start(&[&["work", "--queue", "quick=1"][..], &place].concat());
    front.run(&["watch", &quick]).code(0);
    front.run(&["watch", &submit("quick")]).code(0);
    assert_eq!(front.state(&slow), "pending");
    worker.signal(Signal::TERM);
    worker.done().code(0);
    // A server runs what it knows too.
    let _all = back.start(&[&["serve", "--queue", "slow"][..], &place].concat());
    front.run(&["watch", &slow]).code(0);
    front.run(&["watch", &submit("default")]).code(0);
}

#[test]
fn work_without_a_shared_database_is_refused() {
    let lab = Lab::new();
    let refused = lab.run(&["work"]).code(2);
    assert!(
        refused.stderr.contains("LONGHAUL_DATABASE_URL"),
        "{refused:?}"
    );
    for queue in ["=3", "quick=0", "quick=many"] {
        lab.run(&["work", "--queue", queue]).code(2);
    }
    lab.run(&["serve", "--no-worker", "--queue", "quick"])
        .code(2);
}

#[test]
fn what_is_wrong_with_a_database_is_said() {
    let lab = Lab::new();
    let said = |url: &str| lab.run(&["serve", "--database-url", url]);
    let password = said("postgres://me:secret@127.0.0.1/jobs").code(2);
    assert!(
        password.stderr.contains("LONGHAUL_DATABASE_URL"),
        "{password:?}"
    );
    assert!(!password.stderr.contains("secret"), "{password:?}");
    // Also where another part of the address is wrong.
    let both = said("postgres://me:secret@127.0.0.1/jobs?sslrootcert=/nowhere").code(2);
    assert!(both.stderr.contains("LONGHAUL_DATABASE_URL"), "{both:?}");
    let odd = said("mysql://me@host/db").code(1);
    assert!(odd.stderr.contains("postgres://"), "{odd:?}");
    let nobody = said("postgres://me@127.0.0.1:1/jobs").code(1);
    assert!(nobody.stderr.contains("can not be reached"), "{nobody:?}");
    let database = Server::start();
    let missing = said(&database.url().replace("dbname=postgres", "dbname=none")).code(1);
    assert!(
        missing
            .stderr
            .contains("\"none\" does not exist; create it"),
        "{missing:?}"
    );
    let encrypted = said(&format!("{} sslmode=require", database.url())).code(1);
    assert!(encrypted.stderr.contains("TLS"), "{encrypted:?}");
}
