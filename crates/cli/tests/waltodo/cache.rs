//! The result cache: a second retrieval of a blob within the hour asks nobody, and what is old or left over goes by itself.

use std::{
    fs,
    time::{Duration, Instant},
};

use crate::support::{Lab, PATIENCE};

#[test]
fn a_second_retrieval_comes_from_the_cache_and_says_so_also_after_a_kill() {
    let lab = Lab::new();
    lab.todos("mylist", 3);
    let first = lab.run(&["retrieve", "mylist"]).code(0).stdout;
    assert!(!first.contains("cache"), "{first}");
    assert_eq!(lab.files("data/results").len(), 3);
    lab.sandbox.clear_requests();
    lab.kill_server();
    let out = lab.path("out");
    let again = ["retrieve", "mylist", "--job-id", "again", "--output"];
    let again = lab.run(&[&again[..], &[out.to_str().expect("text")]].concat());
    let text = again.code(0).stdout;
    assert!(
        text.contains("100% - Item 3/3 completed\n✓ Background retrieval completed\nItems retrieved: 3\nFrom the result cache: 3\n"),
        "{text}"
    );
    let text = lab.run(&["status", "again"]).code(0).stdout;
    assert!(
        text.contains(
            "] Item 2/3 is in the result cache: retrieved and verified less than an hour ago\n"
        ),
        "{text}"
    );
    assert_eq!(lab.sandbox.requests().len(), 0);
    assert_eq!(lab.files("out").len(), 3);

    let fresh = ["retrieve", "mylist", "--cache-size", "0"];
    let text = lab.run(&fresh).code(0).stdout;
    assert!(!text.contains("cache"), "{text}");
    assert!(!lab.sandbox.requests().is_empty());
}

#[test]
fn what_is_old_or_left_over_goes_by_itself() {
    let lab = Lab::new();
    lab.todos("mylist", 2);
    lab.run(&["retrieve", "mylist"]).code(0);
    lab.kill_server();
    let results = lab.path("data/results");
    let names = lab.files("data/results");
    // The name says when it was kept.
    let parts: Vec<&str> = names[0].split('.').collect();
    let stored: i64 = parts[1].parse().expect("a time");
    let hour = 3_600_000;
    let old = format!("{}.{}.{}", parts[0], stored - hour, parts[2]);
    fs::rename(results.join(&names[0]), results.join(old)).expect("renamed");
    fs::write(results.join("half"), b"x").expect("written");
    lab.run(&["jobs"]).code(0);
    let end = Instant::now() + PATIENCE;
    while lab.files("data/results") != names[1..] {
        assert!(Instant::now() < end, "{:?}", lab.files("data/results"));
        std::thread::sleep(Duration::from_millis(20));
    }
}

#[test]
fn a_kept_blob_that_was_damaged_is_fetched_anew() {
    let lab = Lab::new();
    let blob = lab.todo("Buy milk");
    lab.run(&["retrieve", &blob]).code(0);
    let kept = lab.path("data/results").join(&lab.files("data/results")[0]);
    let bytes = fs::read(&kept).expect("there");
    let damaged = bytes.iter().map(|byte| byte ^ 1).collect::<Vec<u8>>();
    fs::write(&kept, damaged).expect("written");
    lab.sandbox.clear_requests();
    let out = lab.path("out");
    let text = lab.run(&["retrieve", &blob, "--output", out.to_str().expect("text")]);
    let text = text.code(0).stdout;
    assert!(!text.contains("cache"), "{text}");
    assert!(!lab.sandbox.requests().is_empty());
    assert_eq!(fs::read(out.join(&blob)).expect("there"), bytes);
}

#[test]
fn a_kill_in_the_middle_leaves_no_temporary_files() {
    let lab = Lab::new();
    let large = lab.blob(&vec![7; 3_000_000]);
    let list = [
        ("small".to_owned(), lab.todo("Buy milk")),
        ("large".to_owned(), large.clone()),
    ];
    lab.list("mylist", &list);
    lab.stall(&large);
    let out = lab.path("out");
    let args = ["retrieve", "mylist", "-b", "--job-id", "half", "--output"];
    lab.run(&[&args[..], &[out.to_str().expect("text")]].concat())
        .code(0);
    lab.wait("half", "running", 1);
    let scratch = "data/jobs.db.files/scratch";
    lab.kill_server();
    assert_eq!(lab.files(scratch).len(), 1, "something was left");

    lab.sandbox.faults().clear();
    lab.run(&["status", "half", "--wait"]).code(0);
    let end = Instant::now() + PATIENCE;
    while !lab.files(scratch).is_empty() {
        assert!(Instant::now() < end, "{:?}", lab.files(scratch));
        std::thread::sleep(Duration::from_millis(20));
    }
    let mut blobs = list.map(|(_, blob)| blob);
    blobs.sort();
    assert_eq!(lab.files("out"), blobs);
    assert_eq!(lab.files("data/results").len(), 2);
}
