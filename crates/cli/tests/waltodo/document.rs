//! The blocks of the document.

use longhaul_sandbox::aggregator::{Fault, Rule};

use crate::support::{Lab, unknown};

const RULE: &str = "──────────────────────────────";
const FULL: &str = "[████████████████████] 100%";

#[test]
fn a_simple_background_retrieval() {
    let lab = Lab::new();
    lab.todos("mylist", 2);
    let done = lab.run(&["retrieve", "mylist", "--background"]).code(0);
    let id = done.id();
    let parts: Vec<&str> = id.split('_').collect();
    assert!(
        matches!(parts[..], ["job", seconds, end]
            if seconds.parse::<u64>().is_ok() && end.len() == 6),
        "{id}"
    );
    assert_eq!(
        done.plain(&id),
        "🚀 Starting background retrieval operation...\n\
         Job ID: ID\n\
         Timeout: 300s\n\
         ✓ Background retrieval started\n\
         \n\
         💡 Track progress: waltodo jobs\n\
         💡 Check status: waltodo status ID\n\
         💡 Cancel job: waltodo cancel ID"
    );
    lab.wait(&id, "completed", 2);
}

#[test]
fn one_blob_with_progress() {
    let lab = Lab::new();
    let blob = lab.todo("Buy milk");
    let done = lab.run(&["retrieve", &blob, "--background", "--wait"]);
    let done = done.code(0);
    assert_eq!(
        done.plain(&done.id()),
        format!(
            "🚀 Starting background retrieval operation...\n\
             Job ID: ID\n\
             Timeout: 300s\n\
             ⏳ Waiting for retrieval to complete...\n\
             {FULL} - Finalizing...\n\
             ✓ Background retrieval completed\n\
             Items retrieved: 1\n\
             \n\
             📊 Retrieval Summary\n\
             {RULE}\n\
             Job ID: ID\n\
             Status: ✓ Completed\n\
             Duration: N.Ns\n\
             Items Retrieved: 1"
        )
    );
}

#[test]
fn a_batch_of_eight_without_background_is_followed_too() {
    let lab = Lab::new();
    let todos = lab.todos("production-todos", 8);
    let out = lab.path("out");
    let out = out.to_str().expect("text");
    let done = lab.run(&["retrieve", "production-todos", "--output", out]);
    let done = done.code(0);
    let text = done.plain(&done.id());
    let wanted = format!(
        "{FULL} - Item 8/8 completed\n\
         ✓ Background retrieval completed\n\
         Items retrieved: 8\n\
         Total size: "
    );
    assert!(text.contains(&wanted), "{text}");
    let mut blobs: Vec<String> = todos.into_iter().map(|(_, blob)| blob).collect();
    blobs.sort();
    assert_eq!(lab.files("out"), blobs);
}

#[test]
fn partial_success_word_for_word() {
    let lab = Lab::new();
    let mut todos = lab.todos("mixed-todos", 8);
    todos[2].1 = unknown();
    todos[6].1 = "QmXyz123".to_owned();
    lab.list("mixed-todos", &todos);
    let done = lab.run(&["retrieve", "mixed-todos", "--background", "--wait"]);
    let done = done.code(3);
    let text = done.plain(&done.id());
    let size = text.lines().find(|line| line.starts_with("Total size: "));
    let wanted = format!(
        "✓ Background retrieval completed (partial)\n\
         Items retrieved: 6/8 (2 failed)\n\
         {}\n\
         Duration: N.Ns\n\
         Failed items logged for review\n\
         \n\
         📊 Retrieval Summary\n\
         {RULE}\n\
         Job ID: ID\n\
         Status: ✓ Completed (with warnings)\n\
         Duration: N.Ns\n\
         Items Retrieved: 6\n\
         Success Rate: 75% (6/8)\n\
         Failed Items: 2\n\
         \n\
         ✗ 3/8 todo 3: Todo not found with blob ID '{}'\n\
         ✗ 7/8 todo 7: Todo not found with blob ID 'QmXyz123'",
        size.expect("a size"),
        unknown()
    );
    assert!(text.contains(&wanted), "{text}");
}

#[test]
fn what_is_not_there_word_for_word() {
    let lab = Lab::new();
    for source in ["InvalidBlobId", "../lists/x", &unknown()] {
        let done = lab.run(&["retrieve", source, "--background", "--wait"]);
        let done = done.code(1);
        assert_eq!(
            done.plain(&done.id()),
            format!(
                "🚀 Starting background retrieval operation...\n\
                 Job ID: ID\n\
                 Timeout: 300s\n\
                 ⏳ Waiting for retrieval to complete...\n\
                 ✗ Background retrieval failed: Todo not found with blob ID '{source}'\n\
                 \n\
                 Check detailed logs:\n\
                 waltodo status ID --verbose"
            )
        );
    }
}

#[test]
fn retries_are_shown() {
    let lab = Lab::new();
    let blob = lab.todo("Buy milk");
    let away = Fault::Unavailable {
        retry_after: Some(1),
    };
    lab.fault(Rule::new(away).times(1));
    let done = lab.run(&[
        "retrieve",
        &blob,
        "--background",
        "--wait",
        "--timeout",
        "600",
    ]);
    let done = done.code(0);
    let text = done.plain(&done.id());
    for wanted in [
        "Timeout: 600s\n",
        "% - Retrying connection (attempt 2/3)...\n",
        &format!("{FULL} - Retrieval completed after retry\n"),
    ] {
        assert!(text.contains(wanted), "{wanted:?} in {text}");
    }
}

#[test]
fn jobs_that_run_their_status_and_their_cancel() {
    let lab = Lab::new();
    let todos = lab.todos("mylist", 4);
    lab.stall(&todos[3].1);
    let id = "job_1703123456_abc123";
    lab.run(&["retrieve", "mylist", "-b", "--job-id", id])
        .code(0);
    lab.wait(id, "running", 3);

    let text = lab.run(&["jobs", "--active"]).code(0).stdout;
    let (head, rest) = text.split_once(" | ").expect("a running job");
    assert_eq!(
        head,
        format!(
            "Active Background Jobs                    Found 1 job(s)\n\
             \n\
             🔄 RUNNING (1)\n\
             {}\n\
             {id} - retrieve mylist\n  \
             [███████████████░░░░░] 75%",
            "─".repeat(60)
        )
    );
    assert!(
        rest.ends_with("s\n  Items: 3/4\n\n📊 Summary\n──────────────────\nTotal: 1\nRunning: 1\n"),
        "{rest}"
    );

    let text = lab.run(&["status", id]).code(0).stdout;
    let start = format!(
        "📊 Job Status: {id}\n{}\nCommand: retrieve mylist\nStatus: 🔄 Running\nProgress: 75%\nDuration: ",
        "─".repeat(37)
    );
    assert!(text.starts_with(&start), "{text}");
    for wanted in [
        "s\nItems: 3/4 processed\nStarted: ",
        "\n\nRecent Logs:\n[",
        "] Starting retrieval operation\n",
        "] Connected to Walrus storage\n",
        "] Retrieving item 4/4: \"todo 4\"\n",
        "] Retrieved item 1/4: \"todo 1\"\n",
    ] {
        assert!(text.contains(wanted), "{wanted:?} in {text}");
    }

    let text = lab.run(&["cancel", id]).code(0).stdout;
    assert_eq!(text, format!("✓ Background job cancelled: {id}\n"));
    let text = lab.run(&["status", id, "--wait"]).code(6).stdout;
    assert!(text.contains("⊘ Background retrieval cancelled"), "{text}");
    lab.wait(id, "cancelled", 3);
    let again = lab.run(&["cancel", id]).code(1).stderr;
    assert!(again.contains("cancelled"), "{again}");
}

#[test]
fn each_view_of_the_jobs_names_itself() {
    let lab = Lab::new();
    let blob = lab.todo("Buy milk");
    lab.run(&["retrieve", &blob]).code(0);
    lab.run(&["retrieve", "nothing"]).code(1);
    for (flags, heading, found, absent) in [
        (&["jobs"][..], "Background Jobs  ", 2, "RUNNING"),
        (&["jobs", "--active"], "Active Background Jobs  ", 0, "✓"),
        (
            &["jobs", "--completed"],
            "Completed Background Jobs  ",
            1,
            "✗",
        ),
        (&["jobs", "--failed"], "Failed Background Jobs  ", 1, "✓"),
    ] {
        let text = lab.run(flags).code(0).stdout;
        assert!(text.starts_with(heading), "{text}");
        assert!(text.contains(&format!("Found {found} job(s)\n")), "{text}");
        assert!(text.contains(&format!("Total: {found}")), "{text}");
        assert!(!text.contains(absent), "{text}");
    }
    let text = lab.run(&["jobs"]).stdout;
    assert!(
        text.contains("Error: Todo not found with blob ID 'nothing'"),
        "{text}"
    );
    assert!(text.contains("  [████████████████████] 100% | "), "{text}");
}

#[test]
fn the_documents_good_practice_waits_for_a_job_by_its_own_id() {
    let lab = Lab::new();
    lab.todos("unstable-source", 2);
    lab.run(&[
        "retrieve",
        "unstable-source",
        "--background",
        "--job-id",
        "my-job",
    ])
    .code(0);
    let text = lab.run(&["status", "my-job", "--wait"]).code(0).stdout;
    assert!(text.contains("Status: ✓ Completed\n"), "{text}");
    let taken = lab.run(&["retrieve", "unstable-source", "-b", "--job-id", "my-job"]);
    let taken = taken.code(1);
    assert!(
        taken.stderr.contains("'my-job' exists already"),
        "{taken:?}"
    );
    assert_eq!(taken.stdout, "");
}

#[test]
fn a_retrieved_todo_joins_a_list() {
    let lab = Lab::new();
    let blob = lab.todo("Buy milk");
    lab.run(&[
        "retrieve",
        &blob,
        "--background",
        "--wait",
        "--list",
        "production",
    ])
    .code(0);
    let list = crate::support::read(&lab.path("lists").join("production.json"));
    assert!(list.contains("Buy milk") && list.contains(&blob), "{list}");
    lab.run(&["retrieve", "production"]).code(0);
    lab.run(&["retrieve", &blob, "--list", "../up"]).code(2);
}
