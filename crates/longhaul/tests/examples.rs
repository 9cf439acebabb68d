//! The examples, run as programs in an empty folder: what they print is what they promise.
#![expect(clippy::expect_used, reason = "a test")]

use std::{path::PathBuf, process::Command};

/// What the example prints, run twice in one folder: a second run must find the first one's file in order.
fn printed(example: &str) -> [String; 2] {
    let folder = tempfile::tempdir().expect("a folder");
    [(); 2].map(|()| {
        let output = Command::new(program(example))
            .current_dir(folder.path())
            .output()
            .expect("the example is built with the tests");
        let errors = String::from_utf8_lossy(&output.stderr);
        assert!(output.status.success(), "{example}: {errors}");
        String::from_utf8(output.stdout).expect("text")
    })
}

/// Examples lie beside the folder of the test's own program.
fn program(example: &str) -> PathBuf {
    let own = std::env::current_exe().expect("a path");
    let target = own
        .parent()
        .and_then(|deps| deps.parent())
        .expect("target/profile");
    target.join("examples").join(example)
}

#[test]
fn hello() {
    assert_eq!(printed("hello"), ["hello world\n", "hello world\n"]);
    let source = include_str!("../../../examples/hello.rs");
    let lines = source.lines().filter(|line| !line.starts_with("//!"));
    assert!(lines.count() <= 15, "the first program stays a short one");
}

#[test]
fn partial_success() {
    let text = "completed: 6 of 8 items, 2 failed\nafter a retry: 8 of 8 items\n";
    assert_eq!(printed("partial_success"), [text, text]);
}

#[test]
fn monitor() {
    let text = "completed at 5 bytes\n";
    assert_eq!(printed("monitor"), [text, text]);
}

#[test]
fn own_transaction() {
    assert_eq!(
        printed("own_transaction"),
        [
            "shipped order 1, 1 job in all\n",
            "shipped order 2, 2 job in all\n"
        ]
    );
}

#[test]
fn schedule() {
    let text = "two jobs by themselves, and 3 times to come\n";
    assert_eq!(printed("schedule"), [text, text]);
}
