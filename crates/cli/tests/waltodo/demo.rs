//! `longhaul demo` and `longhaul sandbox`, from the built programs.

use std::{
    fs,
    io::{BufRead as _, BufReader},
    process::Stdio,
};

use crate::support::{Lab, done};

#[test]
fn the_demonstration_holds_and_leaves_nothing_behind() {
    let lab = Lab::new();
    let temporary = lab.path("tmp");
    fs::create_dir(&temporary).expect("a folder");
    let mut command = lab.program(env!("CARGO_BIN_EXE_longhaul"), &["demo"]);
    let done = done(command.env("TMPDIR", &temporary)).code(0);
    let text = &done.stdout;
    for wanted in [
        "$ waltodo retrieve demo-todos --background",
        "✓ Background retrieval started",
        "🔄 RUNNING (1)",
        "with SIGKILL in the middle of the work",
        "100% - Item 8/8 completed\n✓ Background retrieval completed\nItems retrieved: 8\nTotal size: 17.8 MB\n",
        "📊 Retrieval Summary",
        "requests were not made twice",
        "all 8 files have the bytes of their blob IDs",
    ] {
        assert!(text.contains(wanted), "{wanted:?} in {done:?}");
    }
    assert_eq!(lab.files("tmp"), Vec::<String>::new());
    assert!(!lab.path("data").exists(), "the user's jobs were touched");
}

#[test]
fn the_sandbox_serves_blobs_to_waltodo() {
    let lab = Lab::new();
    let blob = lab.todo("Buy milk");
    let blobs = lab.path("blobs");
    let args = ["sandbox", "--blobs", blobs.to_str().expect("text")];
    let mut command = lab.program(env!("CARGO_BIN_EXE_longhaul"), &args);
    command.stdout(Stdio::piped()).stderr(Stdio::null());
    let mut child = command.spawn().expect("it starts");
    let mut url = String::new();
    let mut lines = BufReader::new(child.stdout.take().expect("a pipe"));
    lines.read_line(&mut url).expect("a line");
    let done = lab.run(&["retrieve", &blob, "--aggregator", url.trim()]);
    child.kill().expect("killed");
    child.wait().expect("gone");
    done.code(0);
    assert!(lab.sandbox.requests().is_empty(), "another one was asked");
}
