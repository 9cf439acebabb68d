//! Cancel and retry by filter as a job of its own.

use longhaul::types::{
    ErrorCode, JobId, Level, Scope, State,
    body::{BulkRequest, JobView, SubmitAnswer, SubmitRequest},
    token::TokenRequest,
};
use longhaul_client::{Client, Error, Token};
use longhaul_server::{AdminToken, Everywhere};
use reqwest::StatusCode;
use serde_json::{Value, json};

use crate::support::{Rig, TOKEN, request};

async fn held(client: &Client, kind: &str, key: Option<&str>) -> JobId {
    let request = SubmitRequest {
        held: true,
        unique_key: key.map(str::to_owned),
        ..request(kind, json!({}))
    };
    client.submit(&request).await.unwrap().job_id
}

fn filter(words: &str) -> BulkRequest {
    BulkRequest {
        q: words.to_owned(),
        all: words.is_empty(),
        ..BulkRequest::default()
    }
}

/// Waits for the end of the job that was accepted.
async fn ended(client: &Client, answer: Result<SubmitAnswer, Error>) -> JobView {
    let id = answer.unwrap().job_id;
    client.wait(&id).await.unwrap();
    client.job(&id).await.unwrap()
}

async fn states(client: &Client, ids: &[&JobId]) -> Vec<State> {
    let mut states = Vec::new();
    for id in ids {
        states.push(client.job(id).await.unwrap().state);
    }
    states
}

fn result(job: &JobView) -> Option<&Value> {
    assert_eq!(job.state, State::Completed, "{job:?}");
    job.results.as_ref()
}

#[tokio::test]
async fn a_job_of_its_own_cancels_what_the_filter_shows_and_not_itself() {
    let rig = Rig::new().await;
    let client = &rig.client;
    let a = held(client, "test.echo", None).await;
    let b = held(client, "test.lines", None).await;
    let job = ended(
        client,
        client.cancel_in_background(&filter("kind:test.ec*")).await,
    )
    .await;
    assert_eq!(
        result(&job),
        Some(&json!({"matched": 1, "done": 1, "skipped": 0}))
    );
    assert_eq!((job.progress.current, job.progress.total), (1, Some(1)));
    assert_eq!(job.kind, "longhaul.bulk");
    assert_eq!(
        states(client, &[&a, &b]).await,
        [State::Cancelled, State::Pending]
    );

    let job = ended(client, client.cancel_in_background(&filter("")).await).await;
    assert_eq!(
        result(&job),
        Some(&json!({"matched": 1, "done": 1, "skipped": 0}))
    );
    assert_eq!(states(client, &[&b]).await, [State::Cancelled]);
    for words in ["kind:no.such*", "state:completed"] {
        let job = ended(client, client.cancel_in_background(&filter(words)).await).await;
        assert_eq!(
            result(&job),
            Some(&json!({"matched": 0, "done": 0, "skipped": 0})),
            "{words}"
        );
    }
    rig.stop().await;
}

#[tokio::test]
async fn what_fails_again_is_given_one_go_and_what_is_left_out_is_in_the_log() {
    let rig = Rig::new().await;
    let client = &rig.client;
    let failing = rig.submit("test.echo", json!({"fail": "told to"})).await;
    rig.until(&failing, State::Failed).await;
    let before = held(client, "test.echo", Some("k")).await;
    client.cancel(&before).await.unwrap();
    held(client, "test.echo", Some("k")).await;
    let answer = client.retry_in_background(&filter("kind:test.echo")).await;
    let job = ended(client, answer).await;
    assert_eq!(
        result(&job),
        Some(&json!({"matched": 2, "done": 1, "skipped": 1}))
    );
    let log = client.log(&job.job_id, 0, 100).await.unwrap();
    assert_eq!((log.lines.len(), log.lines[0].level), (1, Level::Warn));
    let said = &log.lines[0].text;
    assert!(
        said.starts_with(&format!("{before} left out: it is cancelled")),
        "{said}"
    );
    rig.until(&failing, State::Failed).await;
    assert_eq!(client.attempts(&failing).await.unwrap().len(), 2);
    rig.stop().await;
}

#[tokio::test]
async fn it_reaches_what_whoever_asked_may_change() {
    let rig = Rig::with(|options| {
        let tcp = options.tcp(([127, 0, 0, 1], 0).into());
        tcp.token(AdminToken::new(TOKEN).unwrap())
            .admission(Everywhere)
    })
    .await;
    let token = async |kinds: &[&str]| {
        let request = TokenRequest {
            name: "a token".to_owned(),
            owner: Some("anna".to_owned()),
            scopes: vec![Scope::Read, Scope::Submit],
            kinds: kinds.iter().map(|kind| (*kind).to_owned()).collect(),
            ..TokenRequest::default()
        };
        let made = rig.client.make_token(&request).await.unwrap();
        Client::tcp(&rig.url(""), Some(Token::new(&made.token).unwrap())).unwrap()
    };
    let (anna, limited) = (token(&[]).await, token(&["test.echo"]).await);
    let echo = held(&anna, "test.echo", None).await;
    let lines = held(&anna, "test.lines", None).await;
    let other = held(&rig.client, "test.echo", None).await;
    let job = ended(&limited, limited.cancel_in_background(&filter("")).await).await;
    assert_eq!(
        result(&job),
        Some(&json!({"matched": 1, "done": 1, "skipped": 0}))
    );
    assert_eq!(
        states(&anna, &[&echo, &lines]).await,
        [State::Cancelled, State::Pending]
    );
    assert_eq!(states(&rig.client, &[&other]).await, [State::Pending]);
    ended(&anna, anna.cancel_in_background(&filter("")).await).await;
    assert_eq!(states(&anna, &[&lines]).await, [State::Cancelled]);
    assert_eq!(states(&rig.client, &[&other]).await, [State::Pending]);
    rig.stop().await;
}

#[tokio::test]
async fn nobody_makes_one_by_hand_or_half() {
    let rig = Rig::new().await;
    let args = json!({"bulk": "cancel", "filter": {}, "kinds": [], "queues": []});
    let refused = rig.client.submit(&request("longhaul.bulk", args)).await;
    let Err(Error::Refused(problem)) = refused else {
        panic!("refused, not {refused:?}")
    };
    assert_eq!(problem.code, ErrorCode::Forbidden);
    for body in [
        json!({"background": true}),
        json!({"background": true, "all": true, "dryRun": true}),
        json!({"background": true, "all": true, "cursor": "7"}),
    ] {
        let request = rig
            .bare()
            .post("http://localhost/api/v1/jobs/cancel")
            .json(&body);
        let status = request.send().await.unwrap().status();
        assert_eq!(status, StatusCode::BAD_REQUEST, "{body}");
    }
    rig.stop().await;
}
