//! Jobs by the client: started, watched, listed, cancelled, retried, removed.

use longhaul::types::{ErrorCode, Reason, State, body::SubmitRequest};
use longhaul_client::{JobsQuery, Update};
use serde_json::json;

use crate::support::{Rig, request, within};

#[tokio::test]
async fn a_job_is_started_and_gives_its_result() {
    let rig = Rig::new().await;
    let answer = rig
        .client
        .submit(&SubmitRequest {
            id: Some("mine".parse().unwrap()),
            labels: [("album".to_owned(), "7".to_owned())].into(),
            ..request("test.echo", json!({"a": 1}))
        })
        .await
        .unwrap();
    assert_eq!(answer.status, "accepted");
    assert_eq!(answer.poll_url, "/api/v1/jobs/mine/status");
    let job = within(rig.client.wait(&answer.job_id)).await.unwrap();
    assert_eq!(job.state, State::Completed);
    assert_eq!(job.status, "completed");
    assert_eq!(job.message, "Job completed successfully.");
    assert_eq!(job.results, Some(json!({"a": 1})));
    assert_eq!(job.args, Some(json!({"a": 1})));
    assert_eq!(job.labels["album"], "7");
    assert!(job.completed_at >= job.started_at);
    rig.stop().await;
}

#[tokio::test]
async fn a_job_is_followed_from_its_start_to_its_end() {
    let rig = Rig::new().await;
    let id = rig.submit("test.gate", json!({})).await;
    let mut follow = rig.client.follow(&id);
    let mut tasks = Vec::new();
    let mut lines = Vec::new();
    let mut last = None;
    rig.gate.send_replace(1);
    while let Some(update) = within(follow.next()).await.unwrap() {
        match update {
            Update::Job(job) => last = Some(job),
            Update::Event(event) => match event.event {
                longhaul::types::EventKind::Progress { progress } => {
                    if progress.current == 2 {
                        rig.gate.send_replace(2);
                    }
                    tasks.extend(progress.current_task);
                }
                longhaul::types::EventKind::Log { lines: more } => lines.extend(more),
                _ => {}
            },
        }
    }
    let last = last.unwrap();
    assert_eq!(last.state, State::Completed);
    assert_eq!(last.results, Some(json!({"open": true})));
    assert!(tasks.contains(&"Closing the gate".to_owned()), "{tasks:?}");
    assert_eq!(lines.len(), 1);
    assert_eq!(lines[0].text, "the gate is open");
    assert_eq!(within(follow.next()).await.unwrap(), None);
    rig.stop().await;
}

#[tokio::test]
async fn a_running_job_is_cancelled() {
    let rig = Rig::new().await;
    let id = rig.submit("test.gate", json!({})).await;
    rig.until(&id, State::Running).await;
    let answer = rig.client.cancel(&id).await.unwrap();
    assert!(answer.success);
    let job = within(rig.client.wait(&id)).await.unwrap();
    assert_eq!(job.state, State::Cancelled);
    assert_eq!(job.message, "Job was cancelled.");
    let refused = rig.client.cancel(&id).await.unwrap_err();
    assert_eq!(refused.code(), Some(ErrorCode::IllegalTransition));
    rig.stop().await;
}

#[tokio::test]
async fn a_held_job_waits_until_it_is_started() {
    let rig = Rig::new().await;
    let held = SubmitRequest {
        held: true,
        ..request("test.echo", json!({}))
    };
    let id = rig.client.submit(&held).await.unwrap().job_id;
    let job = rig.client.job(&id).await.unwrap();
    assert_eq!(
        (job.state, job.reason),
        (State::Pending, Some(Reason::Held))
    );
    assert_eq!(job.message, "Job is pending. Waiting to be started.");
    rig.client.start(&id).await.unwrap();
    let job = within(rig.client.wait(&id)).await.unwrap();
    assert_eq!(job.state, State::Completed);
    rig.stop().await;
}

#[tokio::test]
async fn a_failed_job_is_retried_and_removed() {
    let rig = Rig::new().await;
    let id = rig.submit("test.echo", json!({"fail": "as told"})).await;
    let job = within(rig.client.wait(&id)).await.unwrap();
    assert_eq!(job.state, State::Failed);
    assert_eq!(job.error.as_deref(), Some("as told"));
    assert_eq!(job.error_code.as_deref(), Some("told_to"));
    assert_eq!(job.message, "Job failed. as told");
    let attempts = rig.client.attempts(&id).await.unwrap();
    assert_eq!(attempts.len(), 1);
    assert_eq!(attempts[0].end, "failed");
    rig.client.retry(&id).await.unwrap();
    within(rig.client.wait(&id)).await.unwrap();
    rig.client.remove(&id).await.unwrap();
    let gone = rig.client.job(&id).await.unwrap_err();
    assert_eq!(gone.code(), Some(ErrorCode::NotFound));
    assert!(gone.to_string().contains(id.as_str()));
    rig.stop().await;
}

#[tokio::test]
async fn jobs_are_listed_newest_first_by_pages() {
    let rig = Rig::new().await;
    let mut ids = Vec::new();
    for number in 0..5 {
        let held = SubmitRequest {
            held: true,
            labels: [("half".to_owned(), (number % 2).to_string())].into(),
            ..request("test.echo", json!({"number": number}))
        };
        ids.push(rig.client.submit(&held).await.unwrap().job_id);
    }
    ids.reverse();
    let mut query = JobsQuery {
        limit: Some(2),
        ..JobsQuery::default()
    };
    let mut seen = Vec::new();
    loop {
        let page = rig.client.jobs(&query).await.unwrap();
        assert!(page.jobs.len() <= 2);
        assert_eq!(page.counts.pending, 5);
        seen.extend(page.jobs.into_iter().map(|job| job.job_id));
        query.cursor = page.next_cursor;
        if query.cursor.is_none() {
            break;
        }
    }
    assert_eq!(seen, ids);
    let by_number = JobsQuery {
        page: Some(2),
        ..query.clone()
    };
    let page = rig.client.jobs(&by_number).await.unwrap();
    assert_eq!(page.page, Some(2));
    let shown: Vec<_> = page.jobs.into_iter().map(|job| job.job_id).collect();
    assert_eq!(shown, ids[2..4]);
    let half = JobsQuery {
        labels: [("half".to_owned(), "1".to_owned())].into(),
        ..JobsQuery::default()
    };
    assert_eq!(rig.client.jobs(&half).await.unwrap().jobs.len(), 2);
    rig.stop().await;
}
