//! The items of a retrieval, in `longhaul top`.

use std::path::Path;

use longhaul_sandbox::aggregator::{Fault, Rule};
use rustix::process::{Pid, Signal, kill_process};

use crate::{screen::Screen, support::Lab};

#[test]
fn items_are_seen_to_end_and_failed_ones_run_again() {
    let lab = Lab::new();
    let mut todos = lab.todos("mylist", 3);
    let missing = crate::support::unknown();
    todos.push(("Lost".to_owned(), missing));
    lab.list("mylist", &todos);
    let busy = Fault::Unavailable {
        retry_after: Some(1),
    };
    lab.fault(Rule::new(busy).on(todos[2].1.parse().expect("a name")));
    lab.run(&["retrieve", "mylist", "--background", "--job-id", "todos"])
        .code(0);
    lab.wait("todos", "running", 2);
    let mut command = lab.program("/usr/bin/script", &[]);
    command.env("TERM", "xterm-256color");
    let program = Path::new(env!("CARGO_BIN_EXE_longhaul"));
    let mut screen = Screen::start(command, program, "top kind:walrus.*", (24, 100));
    screen.sees("todos");
    screen.press("\r2");
    let items = screen.sees("items 1 to 4");
    assert_eq!(items.matches('✓').count(), 2, "{items}");
    lab.sandbox.faults().clear();
    // The job has ended, so its own symbol is one of them.
    screen.until("three items are done", |text| {
        text.matches('✓').count() == 3 && text.contains('!')
    });
    let failed = screen.sees("3/4, 1 failed");
    assert!(failed.contains('✗'), "{failed}");
    screen.press("f");
    let failed = screen.sees("failed items 4 to 4");
    assert!(!failed.contains('✓'), "{failed}");
    screen.press("r");
    screen.sees("Run the failed item of todos again?");
    screen.press("y");
    screen.sees("todos runs again");
    lab.wait("todos", "completed", 3);
    screen.sees("3/4, 1 failed");
    let pid = Pid::from_raw(screen.pid()).expect("a process");
    kill_process(pid, Signal::HUP).expect("sent");
    assert_eq!(screen.ends().code(), Some(130));
    assert!(!screen.is_taken());
}
