//! The job `walrus.sync` against a stand-in of a node: a range of checkpoints, each object once.

use std::num::NonZeroU32;

use longhaul::types::State;
use longhaul_sandbox::sui::{Call, Fault, Network as Chain, Options, Rule};
use longhaul_walrus::follow::Synced;

use crate::rig::{Rig, all_created, until};

fn quiet() -> Options {
    Options::new().network(Chain::Testnet).quiet()
}

#[tokio::test(flavor = "multi_thread")]
async fn a_range_is_read_to_the_tip_of_its_beginning() {
    let limit = NonZeroU32::new(7).expect("some");
    let rig = Rig::with(quiet().first_checkpoint(1_000_000).list_limit(limit)).await;
    rig.node.emit(all_created([90, 91])).expect("emitted");
    let from = rig.node.emit(all_created(0..20)).expect("emitted");
    rig.node.advance(10);
    let to = rig.node.emit(all_created(20..30)).expect("emitted");
    let job = rig.engine.submit(rig.sync(from)).await.expect("submitted");
    let ended = job.wait().await.expect("ended");
    assert_eq!(ended.state(), State::Completed, "{:?}", ended.error());
    let synced: Synced = ended.output().expect("a summary");
    let wanted = Synced {
        from,
        to,
        events: 30,
        jobs: 30,
        known: 0,
    };
    assert_eq!(synced, wanted);
    rig.fetched(0..30).await;
    let progress = ended.job.progress;
    assert_eq!(progress.unit.as_deref(), Some("checkpoints"));
    assert_eq!(
        (progress.current, progress.total),
        (to - from + 1, Some(to - from + 1))
    );
}

#[tokio::test(flavor = "multi_thread")]
async fn a_monitor_and_two_syncs_share_the_fetch_of_an_object() {
    let rig = Rig::new().await;
    let first = rig.node.tip();
    let _monitor = rig.start_monitor(rig.monitor()).await;
    rig.node.emit(all_created(0..5)).expect("emitted");
    rig.fetched(0..5).await;
    for _ in 0..2 {
        let job = rig.engine.submit(rig.sync(first)).await.expect("submitted");
        let ended = job.wait().await.expect("ended");
        let synced: Synced = ended.output().expect("a summary");
        assert_eq!((synced.events, synced.jobs, synced.known), (5, 0, 5));
    }
    rig.fetched(0..5).await;
    // Where the blobs go elsewhere, they are fetched once more.
    let mut elsewhere = rig.sync(first);
    elsewhere.followed.delivery.output = Some(rig.path("elsewhere"));
    let job = rig.engine.submit(elsewhere).await.expect("submitted");
    let synced: Synced = job
        .wait()
        .await
        .expect("ended")
        .output()
        .expect("a summary");
    assert_eq!((synced.jobs, synced.known), (5, 0));
}

#[tokio::test(flavor = "multi_thread")]
async fn a_restart_goes_on_within_the_range() {
    let limit = NonZeroU32::new(5).expect("some");
    let rig = Rig::with(quiet().list_limit(limit)).await;
    for object in 0..40 {
        rig.node.emit(all_created([object])).expect("emitted");
    }
    let slow = Fault::Slow { milliseconds: 20 };
    rig.node.faults().add(Rule::new(slow).on(Call::ListEvents));
    let job = rig.engine.submit(rig.sync(0)).await.expect("submitted");
    until("some are read", async || {
        job.job().await.expect("read").progress.current >= 10
    })
    .await;
    let (rig, job) = rig
        .restart(job, |rig| {
            rig.node.faults().clear();
            rig.node.emit(all_created([77])).expect("emitted");
        })
        .await;
    let ended = job.wait().await.expect("ended");
    let synced: Synced = ended.output().expect("a summary");
    // What came after its beginning is not of this sync.
    assert_eq!((synced.events, synced.jobs), (40, 40));
    rig.fetched(0..40).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn pruned_and_future_checkpoints_are_said() {
    let rig = Rig::with(quiet().first_checkpoint(1_000_000)).await;
    let tip = rig.node.advance(100);
    rig.node.prune_below(1_000_050);
    for (from, code, texts) in [
        (
            999_999,
            "history_pruned",
            ["checkpoint 999999 is pruned", "use --from-block 1000050 "],
        ),
        (
            tip + 1,
            "from_the_future",
            ["is not there yet", &format!("is {tip};")],
        ),
    ] {
        let job = rig.engine.submit(rig.sync(from)).await.expect("submitted");
        let ended = job.wait().await.expect("ended");
        let error = ended.error().expect("failed");
        assert_eq!(error.code, code, "{error}");
        for text in texts {
            assert!(error.message.contains(text), "{text}: {error}");
        }
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_node_that_fails_for_a_while_is_waited_for() {
    let rig = Rig::with(quiet()).await;
    rig.node.emit(all_created(0..3)).expect("emitted");
    let away = Rule::new(Fault::Unavailable).on(Call::ListEvents).times(2);
    rig.node.faults().add(away);
    let job = rig.engine.submit(rig.sync(0)).await.expect("submitted");
    let ended = job.wait().await.expect("ended");
    assert_eq!(ended.state(), State::Completed, "{:?}", ended.error());
    rig.fetched(0..3).await;
    let log = rig.log(&job).await;
    assert!(
        log.iter()
            .any(|line| line.starts_with("Retrying connection (attempt 3)...")),
        "{log:?}"
    );
}
