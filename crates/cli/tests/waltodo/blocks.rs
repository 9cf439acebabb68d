//! Every block of commands of the document, in its order, run by a shell against the sandbox, with the lines that it shows.
//!
//! Where the document has a placeholder for a blob ID or a job's ID, the true one stands. A `*` is what differs each time.

use longhaul_sandbox::aggregator::{Fault, Rule};

use crate::support::{Done, Lab, unknown};

/// A sandbox with all that the document retrieves.
struct Document {
    lab: Lab,
    /// Its `mylist`.
    todos: Vec<(String, String)>,
}

impl Document {
    fn new() -> Self {
        let lab = Lab::new();
        let titles = [
            "Buy groceries",
            "Walk the dog",
            "Pay bills",
            "Schedule meeting",
        ];
        let todos = titles.map(|title| (title.to_owned(), lab.todo(title)));
        lab.list("mylist", &todos);
        // Lists of eight have each todo of four twice: it is the items that count.
        let eight: Vec<_> = todos.iter().chain(&todos).cloned().collect();
        for name in [
            "production-todos",
            "large-dataset",
            "large-production-list",
            "massive-dataset",
            "dataset",
            "10GB-dataset",
            "unstable-source",
        ] {
            lab.list(name, &eight);
        }
        let mut mixed = eight;
        mixed[1].1 = unknown();
        mixed[6].1 = unknown();
        lab.list("mixed-todos", &mixed);
        Self {
            todos: todos.to_vec(),
            lab,
        }
    }

    /// Runs a block that must succeed, and finds these lines in its output.
    #[track_caller]
    fn block(&self, script: &str, lines: &[&str]) -> Done {
        self.ends(0, script, lines)
    }

    /// Runs a block whose last command ends with this code, and finds these lines in its output, in their order.
    #[track_caller]
    fn ends(&self, code: i32, script: &str, lines: &[&str]) -> Done {
        let done = self.lab.shell(script).code(code);
        let mut rest = done.stdout.lines();
        for line in lines {
            assert!(
                rest.any(|shown| fits(shown, line)),
                "{line:?} is not where it should be after {script:?}: {done:?}"
            );
        }
        done
    }
}

/// Whether a line is this one; a `*` stands for any text.
fn fits(line: &str, wanted: &str) -> bool {
    let mut parts = wanted.split('*');
    let first = parts.next().unwrap_or_default();
    let Some(mut rest) = line.strip_prefix(first) else {
        return false;
    };
    let mut last = None;
    for part in parts {
        last = Some(part);
        let Some(at) = rest.find(part) else {
            return false;
        };
        rest = &rest[at + part.len()..];
    }
    match last {
        None => rest.is_empty(),
        Some(last) => last.is_empty() || line.ends_with(last),
    }
}

#[test]
fn lines_fit_as_a_whole() {
    assert!(fits("Duration: 2.3s", "Duration: *s"));
    assert!(fits("", "") && fits("x", "*") && fits("a", "a"));
    for (line, wanted) in [
        ("ab", "a"),
        ("Duration: 2", "Duration: *s"),
        ("x", "a*"),
        ("a", ""),
    ] {
        assert!(!fits(line, wanted), "{line:?} {wanted:?}");
    }
}

#[test]
fn basic_and_advanced_usage() {
    let document = Document::new();
    let blob = &document.todos[0].1;
    document.block(
        "waltodo retrieve mylist --background",
        &[
            "🚀 Starting background retrieval operation...",
            "Job ID: job_*_*",
            "Timeout: 300s",
            "✓ Background retrieval started",
            "",
            "💡 Track progress: waltodo jobs",
            "💡 Check status: waltodo status job_*",
            "💡 Cancel job: waltodo cancel job_*",
        ],
    );
    document.block(
        &format!("waltodo retrieve {blob} --background --wait"),
        &[
            "🚀 Starting background retrieval operation...",
            "Job ID: job_*_*",
            "Timeout: 300s",
            "⏳ Waiting for retrieval to complete...",
            "[████████████████████] 100% - Finalizing...",
            "✓ Background retrieval completed",
            "Items retrieved: 1",
            "",
            "📊 Retrieval Summary",
            "──────────────────────────────",
            "Job ID: job_*_*",
            "Status: ✓ Completed",
            "Duration: *s",
            "Items Retrieved: 1",
        ],
    );
    let id = document
        .block(
            &format!("waltodo retrieve {blob} --background --list production"),
            &["✓ Background retrieval started"],
        )
        .id();
    document.block(
        "waltodo jobs --active",
        &["Active Background Jobs * Found * job(s)"],
    );
    document.block(
        &format!("waltodo status {id}"),
        &[
            &format!("📊 Job Status: {id}"),
            &format!("Command: retrieve {blob}"),
        ],
    );
}

#[test]
fn error_handling() {
    let document = Document::new();
    let failed = document.ends(
        1,
        "waltodo retrieve InvalidBlobId --background --wait",
        &[
            "🚀 Starting background retrieval operation...",
            "⏳ Waiting for retrieval to complete...",
            "✗ Background retrieval failed: Todo not found with blob ID 'InvalidBlobId'",
            "",
            "Check detailed logs:",
            "waltodo status job_* --verbose",
        ],
    );
    document.block(
        &format!("waltodo status {} --verbose", failed.id()),
        &[
            "Status: ✗ Failed",
            "Error: Todo not found with blob ID 'InvalidBlobId'",
            "Recent Logs:",
            "[*:*:*] Starting retrieval operation",
        ],
    );
}

#[test]
fn job_management() {
    let document = Document::new();
    let lab = &document.lab;
    let large = lab.blob(&vec![7; 100_000]);
    lab.stall(&document.todos[3].1);
    lab.stall(&large);
    let id = "job_1703123456_abc123";
    let other = "job_1703123457_def456";
    document.block(
        &format!(
            "waltodo retrieve mylist --background --job-id {id}
             waltodo retrieve {large} --background --job-id {other}"
        ),
        &[],
    );
    lab.wait(id, "running", 3);
    lab.wait(other, "running", 0);
    let listed = [
        "",
        "🔄 RUNNING (2)",
        "────────────────────────────────────────────────────────────",
        &format!("{id} - retrieve mylist"),
        "  [███████████████░░░░░] 75% | *s",
        "  Items: 3/4",
        "",
        &format!("{other} - retrieve {large}"),
        "  [*] *% | *s",
        "",
        "📊 Summary",
        "──────────────────",
        "Total: 2",
        "Running: 2",
    ];
    let titled = |title| [&[title], &listed[..]].concat();
    document.block("waltodo jobs", &titled("Background Jobs * Found 2 job(s)"));
    document.block(
        "waltodo jobs --active",
        &titled("Active Background Jobs                    Found 2 job(s)"),
    );
    document.block("waltodo jobs --completed", &["Total: 0"]);
    document.block("waltodo jobs --failed", &["Total: 0"]);
    document.block(
        &format!("waltodo status {id}"),
        &[
            &format!("📊 Job Status: {id}"),
            "─────────────────────────────────────",
            "Command: retrieve mylist",
            "Status: 🔄 Running",
            "Progress: 75%",
            "Duration: *s",
            "Items: 3/4 processed",
            "Started: *-*-* *:*:*",
            "",
            "Recent Logs:",
            "[*:*:*] *",
        ],
    );
    document.block(
        &format!("waltodo cancel {id}"),
        &[&format!("✓ Background job cancelled: {id}")],
    );
}

#[test]
fn performance_errors_and_tuning() {
    let document = Document::new();
    let lab = &document.lab;
    document.block(
        "waltodo retrieve production-todos --background --wait",
        &[
            "[████████████████████] 100% - Item 8/8 completed",
            "Items retrieved: 8",
            "Total size: * B",
            "Duration: *s",
        ],
    );
    let network = lab.blob(b"over a bad network");
    let away = Fault::Unavailable {
        retry_after: Some(1),
    };
    lab.fault(Rule::new(away).times(1));
    document.block(
        &format!("waltodo retrieve {network} --background --wait --timeout 600"),
        &[
            "[*] *% - Retrying connection (attempt 2/3)...",
            "[████████████████████] 100% - Retrieval completed after retry",
        ],
    );
    document.ends(
        3,
        "waltodo retrieve mixed-todos --background --wait",
        &[
            "✓ Background retrieval completed (partial)",
            "Items retrieved: 6/8 (2 failed)",
            "Failed items logged for review",
            "",
            "📊 Retrieval Summary",
            "──────────────────────────────",
            "Status: ✓ Completed (with warnings)",
            "Success Rate: 75% (6/8)",
            "Failed Items: 2",
        ],
    );
    let id = document
        .block(
            "export WALTODO_BACKGROUND_TIMEOUT=600
             export WALTODO_BACKGROUND_CHUNK_SIZE=5
             export WALTODO_BACKGROUND_RETRY_ATTEMPTS=5
             export WALTODO_BACKGROUND_PROGRESS_INTERVAL=3
             waltodo retrieve mylist --background",
            &["Timeout: 600s"],
        )
        .id();
    let args = &lab.job(&id)["args"];
    assert_eq!(
        (&args["chunkSize"], &args["attempts"]),
        (&5.into(), &5.into())
    );
    let id = document
        .block(
            "waltodo retrieve large-dataset --background --chunk-size 10",
            &[],
        )
        .id();
    assert_eq!(lab.job(&id)["args"]["chunkSize"], 10);
    document.block(
        "waltodo retrieve mylist --background --wait --progress-interval 1",
        &["[████████████████████] 100% - Item 4/4 completed"],
    );
}

#[test]
fn cleanup_and_best_practices() {
    let document = Document::new();
    let small = &document.todos[0].1;
    document.block("waltodo retrieve large-production-list --background", &[]);
    document.block(&format!("waltodo retrieve {small} --background"), &[]);
    document.block(
        "waltodo retrieve massive-dataset --background --wait",
        &["Status: ✓ Completed"],
    );
    document.block(
        "waltodo retrieve dataset --background
         waltodo jobs --active",
        &[
            "✓ Background retrieval started",
            "Active Background Jobs * Found * job(s)",
        ],
    );
    document.block(
        "waltodo retrieve 10GB-dataset --background --timeout 3600",
        &["Timeout: 3600s"],
    );
    let handled = "if waltodo retrieve unstable-source --background --job-id my-job; then
             waltodo status my-job --wait
         else
             echo \"Failed to start background job\"
         fi";
    document.block(
        handled,
        &[
            "Job ID: my-job",
            "✓ Background retrieval started",
            "✓ Background retrieval completed",
            "Items retrieved: 8",
            "Status: ✓ Completed",
        ],
    );
    document.block(handled, &["Failed to start background job"]);
    document.block(
        "waltodo jobs --cleanup
         waltodo jobs --cleanup --max-age 1",
        &[
            "✓ Background jobs cleaned up: 0 (older than 7 days)",
            "✓ Background jobs cleaned up: 0 (older than 1 day)",
        ],
    );
}
