//! The blocks of the document about `fetch`.

use longhaul_sandbox::aggregator::{Fault, Rule};
use serde_json::Value;

use crate::{
    chain::Chain,
    support::{read, unknown},
};

const RULE: &str = "──────────────────────────────";
const FULL: &str = "[████████████████████] 100%";

#[test]
fn a_background_fetch_with_custom_settings() {
    let chain = Chain::new();
    chain.object("0x123abc", "Buy milk", &chain.lab.todo("Buy milk"));
    let args = [
        "fetch",
        "0x123abc",
        "--background",
        "--wait",
        "--timeout",
        "600",
        "--progress-interval",
        "2",
    ];
    let done = chain.run(&args).code(0);
    assert_eq!(
        done.plain(&done.id()),
        format!(
            "🚀 Starting background fetch operation...\n\
             Job ID: ID\n\
             Timeout: 600s\n\
             ⏳ Waiting for fetch to complete...\n\
             {FULL} - Finalizing...\n\
             ✓ Background fetch completed\n\
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
    let list = chain.run(&["jobs"]).code(0).stdout;
    let line = format!("{} - fetch 0x123abc\n", done.id());
    assert!(list.contains(&line), "{list}");
    let status = chain.run(&["status", &done.id()]).code(0).stdout;
    assert!(status.contains("\nCommand: fetch 0x123abc\n"), "{status}");
    assert!(status.contains("] Starting fetch operation\n"), "{status}");
}

#[test]
fn progress_is_shown_at_the_interval() {
    let chain = Chain::new();
    let blob = chain.lab.blob(&vec![3; 8_000_000]);
    chain.object("0x123abc", "Large", &blob);
    let slow = Fault::Slow {
        bytes_per_second: 1_000_000,
    };
    chain.lab.fault(Rule::new(slow));
    let done = chain.run(&[
        "fetch",
        "0x123abc",
        "-b",
        "-w",
        "--progress-interval",
        "0.1",
    ]);
    let text = done.code(0).stdout;
    let shown = |line: &&str| line.starts_with("[█") && line.ends_with("% - Retrieving data...");
    assert!(text.lines().filter(shown).count() >= 2, "{text}");
    assert!(
        text.contains(&format!("{FULL} - Finalizing...\n")),
        "{text}"
    );
}

#[test]
fn an_object_of_a_network_and_one_for_a_list() {
    let chain = Chain::new();
    let blob = chain.lab.todo("Buy milk");
    chain.object("0x456def789abc", "Buy milk", &blob);
    let out = chain.lab.path("out");
    let out = out.to_str().expect("text");
    let args = [
        "fetch",
        "0x456def789abc",
        "--background",
        "--network",
        "testnet",
        "--wait",
        "--output",
        out,
    ];
    chain.run(&args).code(0);
    assert_eq!(chain.lab.files("out"), std::slice::from_ref(&blob));

    let args = [
        "fetch",
        "0x789ghi",
        "--background",
        "--job-id",
        "my-nft-download",
        "--list",
        "archive",
    ];
    let refused = chain.run(&args).code(2);
    assert!(
        refused.stderr.contains("'0x789ghi' is no Sui object ID"),
        "{refused:?}"
    );
    chain.run(&["status", "my-nft-download"]).code(5);

    chain.object("0x789", "Walk the dog", &chain.lab.todo("Walk the dog"));
    let args = [
        "fetch",
        "0x789",
        "--background",
        "--job-id",
        "my-nft-download",
        "--list",
        "archive",
    ];
    let done = chain.run(&args).code(0);
    assert_eq!(
        done.stdout,
        "🚀 Starting background fetch operation...\n\
         Job ID: my-nft-download\n\
         Timeout: 300s\n\
         ✓ Background fetch started\n\
         \n\
         💡 Track progress: waltodo jobs\n\
         💡 Check status: waltodo status my-nft-download\n\
         💡 Cancel job: waltodo cancel my-nft-download\n"
    );
    chain.run(&["status", "my-nft-download", "--wait"]).code(0);
    let list = read(&chain.lab.path("lists").join("archive.json"));
    let list: Value = serde_json::from_str(&list).expect("json");
    assert_eq!(list["todos"][0]["title"], "Walk the dog");
    let object = list["todos"][0]["nftObjectId"].as_str().expect("text");
    assert!(object.ends_with("0789"), "{object}");
}

#[test]
fn a_blob_id_is_fetched_as_in_the_good_practice() {
    let chain = Chain::new();
    let blob = chain.lab.todo("small");
    let done = chain
        .run(&["fetch", &blob, "--background", "--timeout", "120"])
        .code(0);
    assert!(
        done.stdout
            .contains("Timeout: 120s\n✓ Background fetch started\n"),
        "{done:?}"
    );
    chain.run(&["status", &done.id(), "--wait"]).code(0);
    chain.object("0x123", "slow network", &blob);
    let done = chain
        .run(&["fetch", "0x123", "--background", "--timeout", "900"])
        .code(0);
    assert!(done.stdout.contains("Timeout: 900s\n"), "{done:?}");
    chain.run(&["status", &done.id(), "--wait"]).code(0);
}

#[test]
fn what_is_wrong_is_said() {
    let chain = Chain::new();
    chain.object("0x1", "No blob", "cat.png");
    chain.object("0x2", "Gone", &unknown());
    let gone = format!("Todo not found with blob ID '{}'", unknown());
    for (args, why) in [
        (&["fetch", "0x99"][..], "there is no object 0x"),
        (&["fetch", "0x1"], "names no blob: its image_url is"),
        (&["fetch", "0x2"], &gone),
        (
            &["fetch", "QmXyz789"],
            "Todo not found with blob ID 'QmXyz789'",
        ),
        (
            &[
                "fetch",
                "0x2",
                "--network",
                "mainnet",
                "--aggregator",
                "http://127.0.0.1:1",
            ],
            "is of the network 'testnet', not of mainnet",
        ),
        (
            &[
                "fetch",
                "0x2",
                "--rpc-url",
                "http://127.0.0.1:1",
                "--retry-attempts",
                "1",
            ],
            "could not be reached",
        ),
    ] {
        let done = chain.run(args).code(1);
        assert!(
            done.stdout.contains("✗ Background fetch failed: "),
            "{done:?}"
        );
        assert!(done.stdout.contains(why), "{why}: {done:?}");
    }
    for (args, why) in [
        (&["fetch", "0x"][..], "1 to 64 hexadecimal digits"),
        (
            &["fetch", "0x1", "--rpc-url", "ftp://x"],
            "no address of a Sui node",
        ),
        (
            &["monitor", "--events", "nft-burned"],
            "choose from nft-created",
        ),
        (&["monitor", "--package", "todo"], "does not begin with 0x"),
        (&["sync"], "--from-block"),
        (&["sync", "--from-block", "-1"], "from-block"),
    ] {
        let done = chain.run(args).code(2);
        assert!(done.stderr.contains(why), "{why}: {done:?}");
    }
    let unsaid = chain.lab.run(&["monitor", "--background"]).code(2);
    assert!(unsaid.stderr.contains("Set TODO_PACKAGE_ID"), "{unsaid:?}");
}
