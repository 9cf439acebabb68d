//! Items, log, kinds, counts and the server itself.

use longhaul::types::{ItemState, Level, State};
use serde_json::json;

use crate::support::{Rig, within};

#[tokio::test]
async fn items_come_by_page_and_state() {
    let rig = Rig::new().await;
    let id = rig.submit("test.parts", json!({})).await;
    let job = within(rig.client.wait(&id)).await.unwrap();
    assert_eq!(job.state, State::Completed);
    assert_eq!(
        job.message,
        "Job completed with warnings. 1 of 3 items failed."
    );
    assert_eq!(
        (job.items.total, job.items.completed, job.items.failed),
        (3, 2, 1)
    );

    let page = rig.client.items(&id, None, None, 2).await.unwrap();
    let names: Vec<_> = page.items.iter().map(|item| item.name.as_str()).collect();
    assert_eq!(names, ["a", "b"]);
    assert_eq!(page.items[0].result, Some(json!("A")));
    let rest = rig
        .client
        .items(&id, None, page.next_after, 2)
        .await
        .unwrap();
    assert_eq!(rest.items.len(), 1);
    assert_eq!(rest.items[0].name, "c");
    assert_eq!(rest.next_after, None);

    let failed = Some(ItemState::Failed);
    let failed = rig
        .client
        .items(&id, failed, None, 100)
        .await
        .unwrap()
        .items;
    assert_eq!(failed.len(), 1);
    assert_eq!(failed[0].error.as_ref().unwrap().message, "b is broken");

    // A retry by hand runs the failed one again, and only that.
    rig.client.retry(&id).await.unwrap();
    within(rig.client.wait(&id)).await.unwrap();
    let items = rig.client.items(&id, None, None, 100).await.unwrap().items;
    let attempts: Vec<_> = items.iter().map(|item| item.attempts).collect();
    assert_eq!(attempts[0], 1);
    assert_eq!(attempts[2], 1);
    assert!(attempts[1] >= 1);
    rig.stop().await;
}

#[tokio::test]
async fn the_log_comes_by_page_and_by_its_end() {
    let rig = Rig::new().await;
    let id = rig.submit("test.lines", json!({})).await;
    within(rig.client.wait(&id)).await.unwrap();
    let page = rig.client.log(&id, 0, 10).await.unwrap();
    assert_eq!(page.lines.len(), 10);
    assert_eq!(page.lines[0].number, 1);
    assert_eq!(page.lines[0].text, "line 1");
    assert_eq!(page.lines[0].level, Level::Info);
    assert_eq!(page.next_after, Some(10));
    let rest = rig.client.log(&id, 10, 100).await.unwrap();
    assert_eq!(rest.lines.len(), 15);
    assert_eq!(rest.next_after, None);
    let tail = rig.client.log_tail(&id, 2).await.unwrap();
    let numbers: Vec<_> = tail.lines.iter().map(|line| line.number).collect();
    assert_eq!(numbers, [24, 25]);
    rig.stop().await;
}

#[tokio::test]
async fn the_server_says_what_it_is_and_runs() {
    let rig = Rig::new().await;
    let id = rig.submit("test.gate", json!({})).await;
    rig.until(&id, State::Running).await;
    let info = rig.client.server().await.unwrap();
    assert_eq!(
        (info.version.as_str(), info.build.as_str()),
        ("1.2.3", "b7")
    );
    assert_eq!(info.pid, std::process::id());
    assert!(!info.on_demand);
    assert_eq!(info.counts.unwrap().running, 1);
    assert!(info.kinds.contains(&"test.gate".to_owned()));
    let kinds = rig.client.kinds().await.unwrap();
    assert!(kinds.iter().all(|kind| kind.runs_here && kind.version == 1));
    assert_eq!(kinds.len(), info.kinds.len());
    let counts = rig.client.counts().await.unwrap();
    assert_eq!(counts.total.running, 1);
    assert_eq!(counts.by[0].kind, "test.gate");
    assert_eq!(counts.by[0].queue, "gates");
    assert_eq!(rig.client.live().await.unwrap().status, "ok");
    assert_eq!(rig.client.ready().await.unwrap().status, "ok");
    rig.stop().await;
}
