//! `longhaul top`, as a person at a terminal uses it.

use std::path::Path;

use longhaul::{Context, Engine, Failure, Handler, NewJob, Outcome};
use rustix::process::Signal;

use crate::{
    screen::Screen,
    support::{Lab, block_on, eventually, signal},
};

/// `longhaul top` on a terminal of 24 lines and 100 columns.
fn top(lab: &Lab, args: &str) -> Screen {
    let mut command = lab.program("/usr/bin/script");
    command.env("TERM", "xterm-256color");
    let program = Path::new(env!("CARGO_BIN_EXE_longhaul"));
    Screen::start(command, program, &format!("top {args}"), (24, 100))
}

fn quits(mut screen: Screen) {
    screen.press("q");
    assert_eq!(screen.ends().code(), Some(0));
    assert!(!screen.is_taken(), "the terminal is given back");
}

#[test]
fn a_job_is_watched_cancelled_and_run_again() {
    let lab = Lab::new();
    let mut screen = top(&lab, "");
    let empty = screen.sees("No jobs yet");
    assert!(
        empty.contains("longhaul run -- sleep 60") && empty.contains("live"),
        "{empty}"
    );
    assert!(screen.is_taken());
    let go = lab.path("go");
    let script = format!(
        "echo '25%'; while ! [ -e '{}' ]; do sleep 0.05; done; echo '75%'; exec sleep 600",
        go.display()
    );
    let started = lab.run(&[
        "run",
        "--background",
        "--id",
        "film",
        "--progress-pattern",
        r"(\d+)%",
        "--",
        "sh",
        "-c",
        &script,
    ]);
    started.code(0);
    let quarter = screen.sees("███░░░░░░░░░");
    assert!(
        quarter.contains("film") && quarter.contains("1 running"),
        "{quarter}"
    );
    std::fs::write(go, "").expect("written");
    screen.sees("█████████░░░");
    screen.press("c");
    screen.sees("Cancel film? y: yes");
    screen.press("n");
    screen.until("the question is gone", |text| {
        !text.contains("Cancel film?")
    });
    assert_eq!(lab.state("film"), "running");
    screen.press("cy");
    screen.sees("film is being cancelled");
    screen.sees("1 cancelled");
    assert_eq!(lab.state("film"), "cancelled");
    screen.press("c");
    screen.sees("film has ended already");
    screen.press("r");
    screen.sees("Run film again?");
    screen.press("y");
    screen.sees("1 running");
    assert_eq!(lab.state("film"), "running");
    quits(screen);
    lab.run(&["cancel", "film"]).code(0);
}

#[test]
fn an_open_job_shows_where_it_stands_and_its_log_as_it_grows() {
    let lab = Lab::new();
    let (go, end) = (lab.path("go"), lab.path("end"));
    let evil = r"printf '\033]0;owned\007x \342\200\256abc\n'";
    let script = format!(
        "{evil}; while ! [ -e '{}' ]; do sleep 0.05; done; echo second; while ! [ -e '{}' ]; do sleep 0.05; done; exit 3",
        go.display(),
        end.display()
    );
    let id = lab.script(&script);
    let mut screen = top(&lab, "");
    screen.sees("longhaul.run");
    screen.press("\r");
    let overview = screen.sees("submitted");
    assert!(
        overview.contains(&id) && overview.contains("started"),
        "{overview}"
    );
    screen.press("3");
    screen.sees("x \\u{202e}abc");
    assert!(!screen.text().contains("second"));
    std::fs::write(go, "").expect("written");
    screen.sees("second");
    std::fs::write(end, "").expect("written");
    screen.press("\t");
    let failed = screen.until("it failed", |text| {
        text.contains("✗ failed") && text.contains("error")
    });
    assert!(
        failed.contains("exit code 3") || failed.contains("code 3"),
        "{failed}"
    );
    screen.press("\u{1b}");
    screen.sees("1 failed");
    let bytes = screen.bytes();
    let title = bytes.windows(4).any(|four| four == b"\x1b]0;");
    assert!(!title, "the log has set the terminal's title");
    quits(screen);
}

/// Six hundred items, of which two fail.
struct Many;

impl Handler for Many {
    const KIND: &'static str = "test.many";
    type Args = serde_json::Value;
    type Output = ();

    async fn run(&self, _: serde_json::Value, job: &Context) -> Result<Outcome<()>, Failure> {
        for number in 1..=600 {
            let item = job.item(format!("tile-{number}")).run(async |_| {
                if number % 300 == 0 {
                    return Err(Failure::fatal("torn", format!("tile {number} is torn")));
                }
                Ok(())
            });
            // Its failure is kept with the item; the job goes on.
            let _ = item.await;
        }
        Ok(Outcome::Done(()))
    }
}

#[test]
fn items_are_turned_over_and_the_failed_ones_alone_are_shown() {
    let lab = Lab::new();
    lab.run(&["jobs"]).code(0);
    lab.kill_server();
    block_on(async {
        let engine = Engine::open(lab.data().join("jobs.db"))
            .register(Many)
            .start()
            .await
            .expect("an engine");
        let job = engine.submit_job(NewJob::raw("test.many", "{}")).await;
        job.expect("submitted").wait().await.expect("ended");
        engine.shutdown().await;
    });
    let mut screen = top(&lab, "");
    screen.sees("test.many");
    screen.press("\r2");
    let first = screen.sees("items 1 to 500, more below");
    assert!(
        first.contains("2 items 598/600, 2 failed") && first.contains("tile-1 "),
        "{first}"
    );
    // The last of them, and the one after it: the next five hundred.
    screen.press("G");
    screen.sees("tile-500 ");
    screen.press("j");
    let second = screen.sees("items 501 to 600");
    assert!(second.contains("tile-501 "), "{second}");
    screen.press("k");
    let back = screen.sees("items 1 to 500");
    assert!(back.contains("tile-500 "), "{back}");
    screen.press("f");
    let failed = screen.sees("failed items 300 to 600");
    assert!(
        failed.contains("torn: tile 600 is torn") && !failed.contains("tile-500 "),
        "{failed}"
    );
    quits(screen);
}

#[test]
fn a_filter_is_changed_and_a_wrong_one_is_explained() {
    let lab = Lab::new();
    lab.run(&["run", "--id", "good", "--", "true"]).code(0);
    lab.run(&["run", "--id", "bad", "--", "false"]).code(1);
    let mut screen = top(&lab, "state:failed");
    let failed = screen.sees("/ state:failed (1)");
    assert!(
        failed.contains("bad") && !failed.contains("good"),
        "{failed}"
    );
    screen.press("/\u{15}state:gone\r");
    screen.sees("state:gone");
    let wrong = screen.sees("cancelled");
    assert!(wrong.contains("state:gone"), "{wrong}");
    screen.press("\u{15}state:completed\r");
    let completed = screen.sees("/ state:completed (1)");
    assert!(!completed.contains("bad "), "{completed}");
    screen.sees("good");
    screen.press("\u{1b}");
    screen.until("all jobs", |text| {
        text.contains("good") && text.contains("bad ")
    });
    quits(screen);
}

#[test]
fn a_server_that_is_killed_is_said_to_be_away_and_comes_back() {
    let lab = Lab::new();
    let mut screen = top(&lab, "");
    screen.sees("live");
    let id = lab.script("exec sleep 600");
    screen.sees("1 running");
    lab.kill_server();
    // A local server is started again by itself, and the job goes on.
    screen.until("reconnecting, then live", |text| text.contains("live"));
    eventually("the job runs again", || {
        lab.server().is_some() && lab.state(&id) == "running"
    });
    screen.sees("live");
    screen.press("p");
    screen.sees("paused at");
    let beside = top(&lab, "");
    beside.sees("1 running");
    lab.run(&["cancel", &id]).code(0);
    beside.sees("1 cancelled");
    // Whoever is not paused reads at most twice a second: time for this one to have done so too.
    std::thread::sleep(std::time::Duration::from_secs(1));
    assert!(screen.text().contains("1 running"), "what is paused stays");
    quits(beside);
    screen.press("p");
    screen.sees("1 cancelled");
    quits(screen);
}

#[test]
fn the_terminal_is_given_back_also_after_control_c_and_a_termination() {
    let lab = Lab::new();
    let mut screen = top(&lab, "");
    screen.sees("live");
    screen.press("?");
    screen.sees("quit; jobs go on");
    screen.press("\u{3}");
    assert_eq!(screen.ends().code(), Some(0));
    assert!(!screen.is_taken());
    let mut screen = top(&lab, "");
    screen.sees("live");
    signal(screen.pid(), Signal::TERM);
    assert_eq!(screen.ends().code(), Some(130));
    assert!(!screen.is_taken());
}

#[test]
fn without_a_terminal_it_says_what_to_use_instead() {
    let lab = Lab::new();
    let refused = lab.run(&["top"]).code(2);
    assert!(refused.stderr.contains("longhaul jobs"), "{refused:?}");
    let mut command = lab.program("/usr/bin/script");
    command.env("TERM", "dumb");
    let mut dumb = Screen::start(
        command,
        Path::new(env!("CARGO_BIN_EXE_longhaul")),
        "top",
        (24, 80),
    );
    assert_eq!(dumb.ends().code(), Some(2));
    assert!(dumb.text().contains("longhaul jobs"), "{}", dumb.text());
    // What is wrong is said before the screen is taken.
    let mut wrong = top(&lab, "state:gone");
    assert_eq!(wrong.ends().code(), Some(2));
    assert!(wrong.text().contains("state:gone"), "{}", wrong.text());
}
