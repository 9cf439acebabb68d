//! The exit codes that scripts rely on, one by one.

use longhaul::{Context, Engine, Failure, Handler, NewJob, Outcome};
use longhaul_types::exit;
use rustix::process::Signal;

use crate::support::{Lab, block_on, eventually};

const TRUE: &str = r#"{"command":["/bin/true"],"folder":"/"}"#;

fn code(code: u8) -> i32 {
    i32::from(code)
}

#[test]
fn done_and_failed() {
    let lab = Lab::new();
    lab.run(&["submit", "longhaul.run", TRUE, "--follow"])
        .code(code(exit::DONE));
    lab.run(&["run", "--", "false"]).code(code(exit::FAILED));
}

#[test]
fn usage() {
    let lab = Lab::new();
    for args in [
        &["no-such-command"][..],
        &["status", "not/an/id"],
        &["submit", "longhaul.run", "no json"],
        &["submit", "longhaul.run", "--at", "yesterday"],
        &["submit", "longhaul.run", "--delay", "1", "--held"],
        &["jobs", "--state", "sleeping"],
        &["jobs", "--limit", "0"],
        &["jobs", "--label", "x"],
        &["run"],
        &["--url", "ftp://host", "jobs"],
    ] {
        lab.run(args).code(code(exit::USAGE));
    }
    lab.run(&["submit", "longhaul.run", "{}"])
        .code(code(exit::USAGE));
    lab.run(&["submit", "no.such.kind"]).code(code(exit::USAGE));
}

struct Half;

impl Handler for Half {
    const KIND: &'static str = "test.half";
    type Args = serde_json::Value;
    type Output = ();

    async fn run(&self, _: serde_json::Value, job: &Context) -> Result<Outcome<()>, Failure> {
        job.item("good").run(async |_| Ok(())).await?;
        let bad = job.item("bad").run(async |_| -> Result<(), Failure> {
            Err(Failure::fatal("broken", "it is broken"))
        });
        // Its failure is kept with the item; the job goes on.
        let _ = bad.await;
        Ok(Outcome::Done(()))
    }
}

#[test]
fn completed_with_failed_items() {
    let lab = Lab::new();
    lab.run(&["jobs"]).code(0);
    lab.kill_server();
    let id = block_on(async {
        let engine = Engine::open(lab.data().join("jobs.db"))
            .register(Half)
            .start()
            .await
            .expect("an engine");
        let job = engine
            .submit_job(NewJob::raw("test.half", "{}"))
            .await
            .expect("submitted");
        job.wait().await.expect("ended");
        let id = job.id().to_string();
        engine.shutdown().await;
        id
    });
    let watch = lab.run(&["watch", &id]).code(code(exit::PARTIAL));
    assert!(watch.stderr.contains("1 of 2 items failed"), "{watch:?}");
    let status = lab.run(&["status", &id, "--verbose"]).code(0);
    assert!(
        status.stdout.contains("completed (with warnings)"),
        "{status:?}"
    );
    assert!(status.stdout.contains("it is broken"), "{status:?}");
}

#[test]
fn not_found() {
    let lab = Lab::new();
    for command in [
        "status", "logs", "watch", "cancel", "retry", "start", "remove",
    ] {
        let gone = lab.run(&[command, "nope"]).code(code(exit::NOT_FOUND));
        assert!(gone.stderr.contains("nope"), "{gone:?}");
        assert_eq!(gone.stdout, "");
    }
    lab.run(&["submit", "longhaul.run", "@/no/such/file"])
        .code(code(exit::NOT_FOUND));
}

#[test]
fn cancelled() {
    let lab = Lab::new();
    let id = lab
        .run(&["submit", "longhaul.run", TRUE, "--held"])
        .code(0)
        .id();
    lab.run(&["cancel", &id]).code(0);
    lab.run(&["watch", &id]).code(code(exit::CANCELLED));
    lab.run(&["cancel", &id]).code(code(exit::FAILED));
}

#[test]
fn unreachable() {
    let lab = Lab::new();
    // A port that was free a moment ago.
    let port = {
        let listener = std::net::TcpListener::bind("127.0.0.1:0").expect("a port");
        listener.local_addr().expect("an address").port()
    };
    let url = format!("http://127.0.0.1:{port}");
    lab.run(&["--url", &url, "jobs"])
        .code(code(exit::UNREACHABLE));
}

#[test]
fn waiting_timed_out() {
    let lab = Lab::new();
    let id = lab
        .run(&["submit", "longhaul.run", TRUE, "--held"])
        .code(0)
        .id();
    let watch = lab
        .run(&["watch", &id, "--timeout", "0.2"])
        .code(code(exit::TIMED_OUT));
    assert!(
        watch.stderr.contains(&format!("longhaul watch {id}")),
        "{watch:?}"
    );
    assert_eq!(lab.state(&id), "pending");
}

#[test]
fn ctrl_c_detaches_and_the_job_goes_on() {
    let lab = Lab::new();
    let id = lab.script("sleep 1000");
    let watch = lab.start(&["watch", &id]);
    eventually("it watches", || watch.stderr().contains("Job is"));
    watch.signal(Signal::INT);
    let done = watch.done().code(code(exit::DETACHED));
    assert!(
        done.stderr.contains("Detached: the job goes on."),
        "{done:?}"
    );
    assert!(
        done.stderr
            .contains(&format!("Follow it: longhaul watch {id}")),
        "{done:?}"
    );
    assert!(
        done.stderr
            .contains(&format!("Cancel it: longhaul cancel {id}")),
        "{done:?}"
    );
    assert_eq!(lab.state(&id), "running");
    lab.run(&["cancel", &id]).code(0);
}
