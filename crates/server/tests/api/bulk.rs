//! Cancel and retry by filter over HTTP.

use longhaul::types::{
    ErrorCode, JobId, State,
    body::{BulkAnswer, BulkRequest, SubmitRequest},
};
use longhaul_client::Error;
use reqwest::StatusCode;
use serde_json::json;

use crate::support::{Rig, request};

async fn held(rig: &Rig, kind: &str, label: &str) -> JobId {
    let request = SubmitRequest {
        held: true,
        labels: [("of".to_owned(), label.to_owned())].into(),
        ..request(kind, json!({}))
    };
    rig.client.submit(&request).await.unwrap().job_id
}

fn done(answer: &BulkAnswer) -> (u64, u64) {
    assert_eq!((answer.skipped, &answer.next_cursor), (0, &None));
    (answer.matched, answer.done)
}

#[tokio::test]
async fn what_a_filter_shows_is_cancelled_and_retried() {
    let rig = Rig::new().await;
    let a = held(&rig, "test.echo", "a").await;
    let b = held(&rig, "test.lines", "a").await;
    let c = held(&rig, "test.lines", "c").await;
    let mut filter = BulkRequest {
        labels: [("of".to_owned(), "a".to_owned())].into(),
        dry_run: true,
        ..BulkRequest::default()
    };
    assert_eq!(
        done(&rig.client.cancel_many(&filter).await.unwrap()),
        (2, 0)
    );
    filter.kinds = vec!["test.li*".to_owned()];
    filter.dry_run = false;
    assert_eq!(
        done(&rig.client.cancel_many(&filter).await.unwrap()),
        (1, 1)
    );
    for (id, state) in [(&a, "pending"), (&b, "cancelled"), (&c, "pending")] {
        let job = rig.client.job(id).await.unwrap();
        assert_eq!(job.state.as_str(), state);
    }
    filter.kinds = vec!["no.such*".to_owned()];
    assert_eq!(
        done(&rig.client.cancel_many(&filter).await.unwrap()),
        (0, 0)
    );

    let failing = rig.submit("test.echo", json!({"fail": "told to"})).await;
    rig.until(&failing, State::Failed).await;
    let failed = BulkRequest {
        statuses: vec!["failed".to_owned()],
        ..BulkRequest::default()
    };
    assert_eq!(done(&rig.client.retry_many(&failed).await.unwrap()), (1, 1));
    rig.until(&failing, State::Failed).await;
    let all = BulkRequest {
        all: true,
        ..BulkRequest::default()
    };
    assert_eq!(done(&rig.client.cancel_many(&all).await.unwrap()), (2, 2));
    rig.stop().await;
}

#[tokio::test]
async fn a_forgotten_filter_does_nothing() {
    let rig = Rig::new().await;
    let id = held(&rig, "test.echo", "a").await;
    let nothing = BulkRequest::default();
    for answer in [
        rig.client.cancel_many(&nothing).await,
        rig.client.retry_many(&nothing).await,
    ] {
        let Err(Error::Refused(problem)) = answer else {
            panic!("refused, not {answer:?}")
        };
        assert_eq!(problem.code, ErrorCode::BadRequest);
        assert!(problem.detail.contains("\"all\": true"), "{problem:?}");
    }
    let ask = async |path: &str, body: serde_json::Value| {
        let address = format!("http://localhost/api/v1/jobs/{path}");
        let request = rig.bare().post(address).json(&body);
        request.send().await.unwrap().status()
    };
    for body in [
        json!({"kind": ["test.echo"]}),
        json!({"states": ["paused"]}),
        json!({"statuses": ["paused"]}),
        json!({"all": true, "cursor": "x"}),
        json!([]),
    ] {
        let status = ask("cancel", body.clone()).await;
        assert_eq!(status, StatusCode::BAD_REQUEST, "{body}");
    }
    let status = ask("cancel?kind=test.echo", json!({"all": true})).await;
    assert_eq!(status, StatusCode::BAD_REQUEST);
    let status = ask("other", json!({"all": true})).await;
    assert_eq!(status, StatusCode::METHOD_NOT_ALLOWED);
    assert_eq!(rig.client.job(&id).await.unwrap().state, State::Pending);
    rig.stop().await;
}

#[tokio::test]
async fn a_job_may_be_called_cancel() {
    let rig = Rig::new().await;
    let named = SubmitRequest {
        id: Some("cancel".parse().unwrap()),
        held: true,
        ..request("test.echo", json!({}))
    };
    let id = rig.client.submit(&named).await.unwrap().job_id;
    assert_eq!(rig.client.job(&id).await.unwrap().job_id, id);
    rig.client.cancel(&id).await.unwrap();
    rig.client.remove(&id).await.unwrap();
    rig.stop().await;
}
