//! The blocks of the document about `monitor` and `sync`.

use longhaul_sandbox::sui::{Network, Options};

use crate::chain::{Chain, until};

#[test]
fn a_monitor_fetches_each_event_once_through_kills_of_the_server() {
    let chain = Chain::new();
    let args = [
        "monitor",
        "--events",
        "nft-created",
        "--auto-retrieve",
        "--background",
    ];
    let done = chain.run(&args).code(0);
    let id = done.id();
    assert_eq!(
        done.plain(&id),
        "🚀 Starting background monitor operation...\n\
         Job ID: ID\n\
         Timeout: none\n\
         ✓ Background monitor started\n\
         \n\
         💡 Track progress: waltodo jobs\n\
         💡 Check status: waltodo status ID\n\
         💡 Cancel job: waltodo cancel ID"
    );
    until("it follows", || chain.metadata(&id, "checkpoint").is_u64());
    for round in 0..4 {
        let first = round * 30;
        for object in first..first + 15 {
            chain.created([object]);
        }
        // In the middle of what it has to do; what happens while it is away must not be lost either.
        chain.kill_server();
        chain.created(first + 15..first + 30);
        chain.fetched(0..first + 30);
    }
    until("all are counted", || chain.metadata(&id, "events") == 120);
    let list = chain.run(&["jobs", "--active"]).code(0).stdout;
    assert!(
        list.contains(&format!("{id} - monitor --events nft-created\n")),
        "{list}"
    );
    let log = chain.run(&["status", &id, "--verbose"]).code(0).stdout;
    assert!(log.contains("] nft-created 0x"), "{log}");
    chain.run(&["cancel", &id]).code(0);
}

#[test]
fn a_bulk_sync_in_the_background() {
    let options = Options::new().network(Network::Testnet).quiet();
    let chain = Chain::with(options.first_checkpoint(1_000_000));
    let blob = chain.lab.todo("Buy milk");
    chain.object("0x0", "Buy milk", &blob);
    chain.created(0..3);
    chain.node.advance(4);
    let to = chain.created(3..6);
    let out = chain.lab.path("out");
    let out = out.to_str().expect("text");
    let args = [
        "sync",
        "--from-block",
        "1000000",
        "--background",
        "--wait",
        "--output",
        out,
    ];
    let done = chain.run(&args).code(0);
    let count = to - 1_000_000 + 1;
    assert_eq!(
        done.plain(&done.id()),
        format!(
            "🚀 Starting background sync operation...\n\
             Job ID: ID\n\
             Timeout: none\n\
             ⏳ Waiting for sync to complete...\n\
             [████████████████████] 100% - Checkpoint {count}/{count} synced\n\
             ✓ Background sync completed\n\
             Fetches started: 6\n\
             \n\
             📊 Sync Summary\n\
             ──────────────────────────────\n\
             Job ID: ID\n\
             Status: ✓ Completed\n\
             Duration: N.Ns\n\
             Checkpoints: 1000000 to {to}\n\
             Events Found: 6\n\
             Fetches Started: 6\n\
             \n\
             💡 Track progress: waltodo jobs --active"
        )
    );
    chain.fetched(0..6);
    until("the blob is there", || {
        chain.lab.files("out") == std::slice::from_ref(&blob)
    });
    let again = chain.run(&args).code(0).stdout;
    assert!(
        again.contains("Fetches started: 0\n") && again.contains("Known Before: 6"),
        "{again}"
    );
    chain.fetched(0..6);

    chain.node.prune_below(to);
    let pruned = chain.run(&args).code(1).stdout;
    let text = format!(
        "checkpoint 1000000 is pruned: the lowest that the node at {} still has is {to}",
        chain.node.url()
    );
    assert!(
        pruned.contains("✗ Background sync failed: ") && pruned.contains(&text),
        "{pruned}"
    );
}
