//! Submissions: one and many, once by a key, and what the list shows of them.

use longhaul::types::{ErrorCode, State, Timestamp, body::SubmitRequest};
use longhaul_client::JobsQuery;
use serde_json::{Value, json};

use crate::support::{Rig, request, within};

#[tokio::test]
async fn the_answer_has_the_documents_shape() {
    let rig = Rig::new().await;
    let post = rig.bare().post("http://localhost/api/v1/jobs");
    let body = json!({"kind": "test.echo", "args": {"a": 1}, "id": "mine"});
    let response = post.json(&body).send().await.unwrap();
    assert_eq!(response.status(), 202);
    assert_eq!(response.headers()["location"], "/api/v1/jobs/mine");
    let answer: Value = response.json().await.unwrap();
    assert_eq!(
        answer,
        json!({
            "success": true,
            "jobId": "mine",
            "status": "accepted",
            "message": "Job mine accepted.",
            "pollUrl": "/api/v1/jobs/mine/status",
        })
    );
    within(rig.client.wait(&"mine".parse().unwrap()))
        .await
        .unwrap();
    let poll = rig.bare().get("http://localhost/api/v1/jobs/mine/status");
    let job: Value = poll.send().await.unwrap().json().await.unwrap();
    assert_eq!(job["success"], true);
    assert_eq!(job["status"], "completed");
    assert_eq!(job["state"], "completed");
    assert_eq!(job["results"], json!({"a": 1}));
    assert!(job["progress"]["current"].is_u64());
    assert!(job["startedAt"].as_str().unwrap().ends_with('Z'));
    rig.stop().await;
}

#[tokio::test]
async fn a_running_job_says_where_it_is() {
    let rig = Rig::new().await;
    let id = rig.submit("test.gate", json!({})).await;
    let mut events = rig.client.job_events(&id).await.unwrap();
    let job = within(async {
        loop {
            let job = rig.client.job(&id).await.unwrap();
            if job.progress.total.is_some() {
                return job;
            }
            events.next().await.unwrap();
        }
    })
    .await;
    assert_eq!(job.status, "processing");
    assert_eq!(job.message, "Job is processing. Opening the gate");
    assert_eq!(job.progress.percentage, Some(25));
    assert!(job.estimated_completion_at >= job.started_at);
    rig.stop().await;
}

#[tokio::test]
async fn a_taken_id_is_refused_and_a_key_is_answered_with_the_first() {
    let rig = Rig::new().await;
    let mine = SubmitRequest {
        id: Some("mine".parse().unwrap()),
        ..request("test.echo", json!({}))
    };
    rig.client.submit(&mine).await.unwrap();
    let taken = rig.client.submit(&mine).await.unwrap_err();
    assert_eq!(taken.code(), Some(ErrorCode::IdTaken));

    let echo = request("test.echo", json!({}));
    let first = rig.client.submit_once(&echo, "key").await.unwrap();
    let second = rig.client.submit_once(&echo, "key").await.unwrap();
    assert_eq!(first.status, "accepted");
    assert_eq!(second.status, "existing");
    assert_eq!(first.job_id, second.job_id);

    let post = rig.bare().post("http://localhost/api/v1/jobs");
    let many = post
        .header("idempotency-key", "many")
        .json(&[echo.clone(), echo]);
    let ids = async || {
        let again = many.try_clone().unwrap().send().await.unwrap();
        assert_eq!(again.status(), 202);
        let body: Value = again.json().await.unwrap();
        let jobs = body["jobs"].as_array().unwrap();
        jobs.iter()
            .map(|job| job["jobId"].clone())
            .collect::<Vec<_>>()
    };
    let (first, second) = (ids().await, ids().await);
    assert_eq!(first, second);
    assert_ne!(first[0], first[1]);
    rig.stop().await;
}

#[tokio::test]
async fn many_are_taken_all_or_none() {
    let rig = Rig::new().await;
    let mut many: Vec<_> = (0..1000).map(|n| request("test.echo", json!(n))).collect();
    let answers = rig.client.submit_many(&many).await.unwrap();
    assert_eq!(answers.len(), 1000);
    let last = within(rig.client.wait(&answers[999].job_id)).await.unwrap();
    assert_eq!(last.results, Some(json!(999)));
    many[500].kind = "no.such".to_owned();
    let refused = rig.client.submit_many(&many).await.unwrap_err();
    assert_eq!(refused.code(), Some(ErrorCode::UnknownKind));
    let counts = rig.client.counts().await.unwrap().total;
    let all: u64 = State::ALL.iter().map(|state| counts.of(*state)).sum();
    assert_eq!(all, 1000);
    rig.stop().await;
}

#[tokio::test]
async fn the_list_speaks_both_vocabularies() {
    let rig = Rig::new().await;
    let running = rig.submit("test.gate", json!({})).await;
    rig.until(&running, State::Running).await;
    let done = rig.submit("test.echo", json!({})).await;
    let failed = rig.submit("test.echo", json!({"fail": "x"})).await;
    within(rig.client.wait(&done)).await.unwrap();
    within(rig.client.wait(&failed)).await.unwrap();
    let later = SubmitRequest {
        run_at: Some(Timestamp(4_102_444_800_000)),
        ..request("test.echo", json!({}))
    };
    let later = rig.client.submit(&later).await.unwrap().job_id;

    let list = async |query: JobsQuery| -> Vec<_> {
        let page = rig.client.jobs(&query).await.unwrap();
        page.jobs.into_iter().map(|job| job.job_id).collect()
    };
    let status = |status: &str| JobsQuery {
        statuses: vec![status.to_owned()],
        ..JobsQuery::default()
    };
    let kind = |kind: &str| JobsQuery {
        kinds: vec![kind.to_owned()],
        ..JobsQuery::default()
    };
    assert_eq!(
        list(status("processing")).await,
        std::slice::from_ref(&running)
    );
    assert_eq!(list(status("pending")).await, std::slice::from_ref(&later));
    assert_eq!(list(status("completed")).await, std::slice::from_ref(&done));
    assert_eq!(
        list(kind("test.gate")).await,
        std::slice::from_ref(&running)
    );
    assert_eq!(list(kind("test.*")).await.len(), 4);
    assert_eq!(list(kind("other.*")).await, []);
    let two = JobsQuery {
        states: vec![State::Failed, State::Running],
        queues: vec!["default".to_owned()],
        ..kind("test.*")
    };
    assert_eq!(list(two).await, std::slice::from_ref(&failed));
    let none = JobsQuery {
        states: vec![State::Failed],
        ..status("completed")
    };
    assert_eq!(list(none).await, []);
    let counts = rig.client.jobs(&kind("test.echo")).await.unwrap().counts;
    assert_eq!((counts.pending, counts.running), (1, 0));
    assert_eq!((counts.completed, counts.failed), (1, 1));
    rig.stop().await;
}

#[tokio::test]
async fn a_retried_job_is_processing_in_the_documents_words() {
    let rig = Rig::new().await;
    let id = rig.submit("test.gate", json!({})).await;
    rig.until(&id, State::Running).await;
    // Given back by a server that stops: pending, but started before.
    rig.engine.shutdown().await;
    let job = rig.client.job(&id).await.unwrap();
    assert_eq!(job.state, State::Pending);
    assert_eq!(job.status, "processing");
    let query = |status: &str| JobsQuery {
        statuses: vec![status.to_owned()],
        ..JobsQuery::default()
    };
    let shown = rig.client.jobs(&query("processing")).await.unwrap();
    assert_eq!(shown.jobs.len(), 1);
    let hidden = rig.client.jobs(&query("pending")).await.unwrap();
    assert_eq!(hidden.jobs.len(), 0);
    rig.stop().await;
}
