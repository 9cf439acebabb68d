//! Tokens that were made: what each is for, whose jobs it sees, how it ends, and its limits.

use std::{num::NonZeroU32, sync::Arc, time::Duration};

use longhaul::{
    testing::TestClock,
    types::{
        ErrorCode, JobId, Scope, State,
        body::{BulkRequest, SubmitRequest},
        event::EventFilter,
        token::{TokenMade, TokenRequest},
    },
};
use longhaul_client::{Client, Error, Events, JobsQuery, Token};
use longhaul_server::{AccessLimits, AdminToken, Everywhere, Options, ROUTES, Right};
use reqwest::{Method, Response, StatusCode};
use serde_json::{Value, json};

use crate::support::{Rig, TOKEN, bare, request, within};

/// A server on TCP that takes every kind there.
async fn rig(change: impl FnOnce(Options) -> Options) -> Rig {
    Rig::with(|options| {
        change(
            options
                .tcp(([127, 0, 0, 1], 0).into())
                .token(AdminToken::new(TOKEN).unwrap())
                .admission(Everywhere),
        )
    })
    .await
}

fn wanted(owner: &str, scopes: &[Scope]) -> TokenRequest {
    TokenRequest {
        name: format!("a token of {owner}"),
        owner: Some(owner.to_owned()),
        scopes: scopes.to_vec(),
        ..TokenRequest::default()
    }
}

async fn make(rig: &Rig, request: &TokenRequest) -> TokenMade {
    rig.client.make_token(request).await.unwrap()
}

async fn secret(rig: &Rig, owner: &str, scopes: &[Scope]) -> String {
    make(rig, &wanted(owner, scopes)).await.token
}

/// A client that shows this token.
fn with(rig: &Rig, secret: &str) -> Client {
    Client::tcp(&rig.url(""), Some(Token::new(secret).unwrap())).unwrap()
}

async fn client(rig: &Rig, owner: &str, scopes: &[Scope]) -> Client {
    with(rig, &secret(rig, owner, scopes).await)
}

async fn ask(rig: &Rig, secret: &str, method: &str, path: &str) -> Response {
    let method: Method = method.parse().unwrap();
    let http = bare().build().unwrap();
    let request = http.request(method, rig.url(path)).bearer_auth(secret);
    request.send().await.unwrap()
}

fn code<T: std::fmt::Debug>(answer: Result<T, Error>) -> ErrorCode {
    answer.unwrap_err().code().unwrap()
}

const PLAIN: [Scope; 3] = [Scope::Read, Scope::Submit, Scope::Work];

#[tokio::test]
async fn every_route_refuses_who_lacks_its_right() {
    let rig = rig(|options| options).await;
    for (method, path, right) in ROUTES {
        let path = path.replace("{id}", "x").replace("{*name}", "y");
        let Some(scope) = right.scope() else {
            continue;
        };
        let others: Vec<Scope> = PLAIN.into_iter().filter(|one| *one != scope).collect();
        let wrong = secret(&rig, "anna", &others).await;
        let response = ask(&rig, &wrong, method, &path).await;
        assert_eq!(response.status(), 403, "{method} {path}");
        let problem: Value = response.json().await.unwrap();
        assert_eq!(problem["code"], "forbidden", "{method} {path}");
        // The right alone is enough, and an administrator has every right.
        if path == "/api/v1/server/stop" {
            continue;
        }
        for scopes in [[scope], [Scope::Admin]] {
            let right = secret(&rig, "anna", &scopes).await;
            let status = ask(&rig, &right, method, &path).await.status();
            let refused = [StatusCode::UNAUTHORIZED, StatusCode::FORBIDDEN];
            assert!(!refused.contains(&status), "{method} {path}: {status}");
        }
    }
    rig.client.live().await.unwrap();
    rig.stop().await;
}

#[tokio::test]
async fn every_route_refuses_another_owner_as_if_there_was_nothing() {
    let rig = rig(|options| options).await;
    let anna = client(&rig, "anna", &PLAIN).await;
    let id = anna.submit(&request("test.parts", json!({}))).await;
    let id = id.unwrap().job_id;
    within(anna.wait(&id)).await.unwrap();
    let before = anna.job(&id).await.unwrap();
    assert_eq!(before.owner, "anna");

    let ben = secret(&rig, "ben", &PLAIN).await;
    let named = ROUTES.iter().filter(|(_, path, _)| path.contains("{id}"));
    let mut seen = 0;
    for (method, path, _) in named {
        let of = |id: &str| {
            path.replace("{id}", id)
                .replace("{*name}", "dir/letters.txt")
        };
        let response = ask(&rig, &ben, method, &of(id.as_str())).await;
        assert_eq!(response.status(), 404, "{method} {path}");
        let theirs = response.text().await.unwrap();
        let nobodys = ask(&rig, &ben, method, &of("unknown")).await;
        let nobodys = nobodys.text().await.unwrap();
        assert_eq!(
            theirs.replace(id.as_str(), "unknown"),
            nobodys,
            "{method} {path}"
        );
        assert!(theirs.contains("not_found"), "{theirs}");
        seen += 1;
    }
    assert!(seen > 10, "{seen} routes name a job");
    assert_eq!(anna.job(&id).await.unwrap(), before);
    rig.stop().await;
}

#[tokio::test]
async fn lists_counts_and_requests_for_many_are_of_ones_own() {
    let rig = rig(|options| options).await;
    let anna = client(&rig, "anna", &PLAIN).await;
    let ben = client(&rig, "ben", &PLAIN).await;
    let held = SubmitRequest {
        held: true,
        queue: Some("annas".to_owned()),
        // Both may have a job of one id.
        id: Some("mine".parse().unwrap()),
        ..request("test.echo", json!({}))
    };
    let id = anna.submit(&held).await.unwrap().job_id;
    assert_eq!(ben.jobs(&JobsQuery::default()).await.unwrap().jobs, []);
    assert_eq!(ben.counts().await.unwrap().by, []);
    assert_eq!(ben.server().await.unwrap().counts.unwrap().pending, 0);
    let queues = ben.queues().await.unwrap();
    assert!(queues.iter().all(|queue| queue.name != "annas"));
    let metrics = ask(&rig, &secret(&rig, "ben", &PLAIN).await, "GET", "/metrics").await;
    let metrics = metrics.text().await.unwrap();
    assert!(!metrics.contains("state=\"pending\"} 1"), "{metrics}");
    let all = BulkRequest {
        all: true,
        ..BulkRequest::default()
    };
    assert_eq!(ben.cancel_many(&all).await.unwrap().matched, 0);
    let second = SubmitRequest {
        queue: None,
        ..held
    };
    assert_eq!(ben.submit(&second).await.unwrap().status, "accepted");
    ben.cancel(&id).await.unwrap();
    assert_eq!(anna.job(&id).await.unwrap().state, State::Pending);
    assert_eq!(
        anna.jobs(&JobsQuery::default()).await.unwrap().jobs.len(),
        1
    );
    // The local user and an administrator see both.
    for all in [
        rig.client.clone(),
        client(&rig, "chris", &[Scope::Admin]).await,
    ] {
        assert_eq!(all.jobs(&JobsQuery::default()).await.unwrap().jobs.len(), 2);
    }
    rig.stop().await;
}

#[tokio::test]
async fn events_are_of_ones_own_jobs() {
    let rig = rig(|options| options).await;
    let anna = client(&rig, "anna", &PLAIN).await;
    let ben = client(&rig, "ben", &PLAIN).await;
    let mut events = ben.events(&EventFilter::default()).await.unwrap();
    let held = SubmitRequest {
        held: true,
        ..request("test.echo", json!({}))
    };
    let theirs = anna.submit(&held).await.unwrap().job_id;
    anna.cancel(&theirs).await.unwrap();
    let own = ben.submit(&held).await.unwrap().job_id;
    ben.cancel(&own).await.unwrap();
    let heard = within(events.next()).await.unwrap().expect("an event");
    let heard = format!("{heard:?}");
    assert!(heard.contains(own.as_str()), "{heard}");
    assert!(!heard.contains(theirs.as_str()), "{heard}");
    rig.stop().await;
}

/// Sees that streams end.
async fn end(streams: Vec<Events>) {
    for mut stream in streams {
        within(async { while let Ok(Some(_)) = stream.next().await {} }).await;
    }
}

/// Every kind of stream, open with this client.
async fn streams(rig: &Rig, client: &Client) -> Vec<Events> {
    let held = SubmitRequest {
        held: true,
        ..request("test.echo", json!({}))
    };
    let id: JobId = client.submit(&held).await.unwrap().job_id;
    let streams = vec![
        client.events(&EventFilter::default()).await.unwrap(),
        client.job_events(&id).await.unwrap(),
    ];
    assert!(rig.handle.connections() > 1);
    streams
}

#[tokio::test]
async fn a_revoked_token_lets_nobody_in_and_its_streams_end() {
    let rig = rig(|options| options).await;
    let made = make(&rig, &wanted("anna", &PLAIN)).await;
    let anna = with(&rig, &made.token);
    let stays = client(&rig, "anna", &PLAIN).await;
    let streams = streams(&rig, &anna).await;
    let revoked = rig.client.revoke_token(&made.view.id).await.unwrap();
    assert_eq!(revoked.name, "a token of anna");
    end(streams).await;
    assert_eq!(code(anna.counts().await), ErrorCode::Unauthorised);
    // Others of the same owner are as they were.
    stays.counts().await.unwrap();
    let again = rig.client.revoke_token(&made.view.id).await;
    assert_eq!(code(again), ErrorCode::UnknownToken);
    rig.stop().await;
}

#[tokio::test]
async fn an_expired_token_lets_nobody_in_and_its_streams_end() {
    let clock = TestClock::default();
    let rig = rig(|options| options.clock(Arc::new(clock.clone()))).await;
    let request = TokenRequest {
        expires_in: Some(60.0),
        ..wanted("anna", &PLAIN)
    };
    let anna = with(&rig, &make(&rig, &request).await.token);
    let streams = streams(&rig, &anna).await;
    clock.advance(Duration::from_secs(59));
    anna.counts().await.unwrap();
    clock.advance(Duration::from_secs(1));
    assert_eq!(code(anna.counts().await), ErrorCode::Unauthorised);
    end(streams).await;
    rig.stop().await;
}

#[tokio::test]
async fn tokens_last_and_their_secrets_are_told_once() {
    let rig = rig(|options| options).await;
    let made = make(&rig, &wanted("anna", &[Scope::Read])).await;
    assert!(made.token.starts_with("lh_") && made.token.len() == 46);
    let other = make(&rig, &wanted("anna", &[Scope::Read])).await;
    assert_ne!((&other.token, &other.view.id), (&made.token, &made.view.id));
    with(&rig, &made.token).counts().await.unwrap();
    let list = ask(&rig, TOKEN, "GET", "/api/v1/tokens").await;
    let list = list.text().await.unwrap();
    let tail = &made.token[3..];
    assert!(!list.contains(tail) && !list.contains("hash"), "{list}");
    let kept = rig.engine.store().tokens().await.unwrap();
    assert!(!format!("{kept:?}").contains(tail));
    let tokens = rig.client.tokens().await.unwrap();
    assert_eq!(tokens.len(), 2);
    assert!(tokens[0].last_used_at.is_some() && tokens[1].last_used_at.is_none());
    assert_eq!(tokens[1], other.view);
    // Another server on the same store lets it in.
    let options = Options::new("1", "1")
        .tcp(([127, 0, 0, 1], 0).into())
        .token(AdminToken::new(TOKEN).unwrap());
    let server = longhaul_server::Server::bind(rig.engine.clone(), options);
    let second = server.await.unwrap().start();
    let url = format!("http://{}", second.tcp().unwrap());
    let token = Token::new(&made.token).unwrap();
    let elsewhere = Client::tcp(&url, Some(token)).unwrap();
    elsewhere.counts().await.unwrap();
    drop(elsewhere);
    second.stop();
    within(second.wait()).await;
    rig.stop().await;
}

#[tokio::test]
async fn a_token_reaches_the_kinds_and_queues_it_is_for() {
    let rig = rig(|options| options).await;
    let limited = TokenRequest {
        kinds: vec!["test.e*".to_owned()],
        queues: vec!["default".to_owned(), "slow-*".to_owned()],
        ..wanted("anna", &PLAIN)
    };
    let anna = with(&rig, &make(&rig, &limited).await.token);
    let free = client(&rig, "anna", &PLAIN).await;
    let job = |kind: &str, queue: Option<&str>| SubmitRequest {
        held: true,
        queue: queue.map(str::to_owned),
        ..request(kind, json!({}))
    };
    for good in [None, Some("default"), Some("slow-1")] {
        anna.submit(&job("test.echo", good)).await.unwrap();
    }
    // The gate's own queue is another.
    for bad in [
        job("test.gate", None),
        job("test.gate", Some("default")),
        job("test.lines", None),
        job("test.echo", Some("slow")),
    ] {
        assert_eq!(code(anna.submit(&bad).await), ErrorCode::Forbidden);
        let many = [job("test.echo", None), bad.clone()];
        let refused = anna.submit_many(&many).await;
        assert_eq!(code(refused), ErrorCode::Forbidden);
        let id = free.submit(&bad).await.unwrap().job_id;
        // It is seen, and not changed.
        assert_eq!(anna.job(&id).await.unwrap().state, State::Pending);
        for answer in [
            anna.cancel(&id).await.map(|_| ()),
            anna.start(&id).await.map(|_| ()),
            anna.retry(&id).await.map(|_| ()),
            anna.remove(&id).await.map(|_| ()),
        ] {
            assert_eq!(code(answer), ErrorCode::Forbidden);
        }
    }
    let all = BulkRequest {
        all: true,
        ..BulkRequest::default()
    };
    let done = anna.cancel_many(&all).await.unwrap();
    assert_eq!((done.matched, done.done), (3, 3));
    assert_eq!(free.counts().await.unwrap().total.pending, 4);
    rig.stop().await;
}

#[tokio::test]
async fn an_owner_who_asks_too_often_waits() {
    let limits = AccessLimits {
        requests: NonZeroU32::new(3).unwrap(),
        ..AccessLimits::default()
    };
    let rig = rig(|options| options.access_limits(limits)).await;
    let first = secret(&rig, "anna", &PLAIN).await;
    let second = secret(&rig, "anna", &PLAIN).await;
    let mut last = None;
    // A slow machine gives some back meanwhile.
    for round in 0..1000 {
        let secret = [&first, &second][round % 2];
        let response = ask(&rig, secret, "GET", "/api/v1/counts").await;
        last = Some(response);
        if last.as_ref().unwrap().status() == 429 {
            break;
        }
    }
    let last = last.unwrap();
    let wait = last.headers()["retry-after"].to_str().unwrap().to_owned();
    assert!(wait.parse::<u64>().unwrap() >= 1);
    let problem: Value = last.json().await.unwrap();
    assert_eq!(problem["code"], "rate_limited");
    assert_eq!(problem["retryAfter"].to_string(), wait);
    // Neither other owners nor the administrator wait with them.
    let ben = secret(&rig, "ben", &PLAIN).await;
    assert_eq!(ask(&rig, &ben, "GET", "/api/v1/counts").await.status(), 200);
    for _ in 0..10 {
        assert_eq!(
            ask(&rig, TOKEN, "GET", "/api/v1/counts").await.status(),
            200
        );
    }
    rig.stop().await;
}

#[tokio::test]
async fn an_address_that_shows_wrong_tokens_waits_and_a_valid_one_is_let_in() {
    let limits = AccessLimits {
        failures: NonZeroU32::new(2).unwrap(),
        ..AccessLimits::default()
    };
    let rig = rig(|options| options.access_limits(limits)).await;
    for secret in ["wrong", ""] {
        let response = ask(&rig, secret, "GET", "/api/v1/jobs").await;
        assert_eq!(response.status(), 401);
    }
    let response = ask(&rig, "wrong", "GET", "/api/v1/jobs").await;
    assert_eq!(response.status(), 429);
    let wait = response.headers()["retry-after"].to_str().unwrap();
    assert!((1..=60).contains(&wait.parse::<u64>().unwrap()), "{wait}");
    let problem: Value = response.json().await.unwrap();
    assert_eq!(problem["code"], "rate_limited");
    assert_eq!(ask(&rig, TOKEN, "GET", "/api/v1/jobs").await.status(), 200);
    rig.stop().await;
}

#[tokio::test]
async fn an_owner_has_some_streams_and_some_pending_jobs() {
    let limits = AccessLimits {
        streams: 2,
        pending: 5,
        ..AccessLimits::default()
    };
    let rig = rig(|options| options.access_limits(limits)).await;
    let anna = client(&rig, "anna", &PLAIN).await;
    let first = anna.events(&EventFilter::default()).await.unwrap();
    let _second = anna.events(&EventFilter::default()).await.unwrap();
    assert_eq!(
        code(anna.events(&EventFilter::default()).await),
        ErrorCode::OwnerLimit
    );
    drop(first);
    within(async {
        while anna.events(&EventFilter::default()).await.is_err() {
            tokio::task::yield_now().await;
        }
    })
    .await;

    let held = SubmitRequest {
        held: true,
        ..request("test.echo", json!({}))
    };
    let six = vec![held.clone(); 6];
    assert_eq!(code(anna.submit_many(&six).await), ErrorCode::OwnerLimit);
    let id = anna.submit(&held).await.unwrap().job_id;
    anna.submit_many(&six[..3]).await.unwrap();
    anna.submit(&held).await.unwrap();
    assert_eq!(code(anna.submit(&held).await), ErrorCode::OwnerLimit);
    let ben = client(&rig, "ben", &PLAIN).await;
    ben.submit(&held).await.unwrap();
    anna.cancel(&id).await.unwrap();
    anna.submit(&held).await.unwrap();
    rig.stop().await;
}

#[tokio::test]
async fn tokens_that_make_no_sense_are_refused() {
    let rig = rig(|options| options).await;
    let ask = async |body: Value| {
        let url = "http://localhost/api/v1/tokens";
        let response = rig.bare().post(url).json(&body).send().await.unwrap();
        response.status().as_u16()
    };
    let whole = json!({"name": "x", "scopes": ["submit"], "kinds": ["a.*"], "expiresIn": 1});
    assert_eq!(ask(whole.clone()).await, 201);
    for (member, value) in [
        ("name", json!("")),
        ("name", json!("a\nb")),
        ("name", json!("x".repeat(300))),
        ("owner", json!("a\u{0}")),
        ("scopes", json!([])),
        ("scopes", json!(["write"])),
        ("scopes", json!(["read"])),
        ("scopes", json!(["submit", "admin"])),
        ("kinds", json!(["*.a"])),
        ("kinds", json!([""])),
        ("kinds", json!(vec!["a"; 101])),
        ("queues", json!(["a\tb"])),
        ("expiresIn", json!(0)),
        ("expiresIn", json!(-1)),
        ("expiresIn", json!(1e12)),
        ("secret", json!("mine")),
    ] {
        let mut body = whole.clone();
        body[member] = value;
        assert_eq!(ask(body.clone()).await, 400, "{body}");
    }
    assert_eq!(rig.client.tokens().await.unwrap().len(), 1);
    let owner = &rig.client.tokens().await.unwrap()[0].owner;
    assert_eq!(owner, "x", "its name, when nothing else is said");
    for id in ["a/b", "..%2f", "ü", &"x".repeat(500)] {
        let answer = rig.client.revoke_token(id).await;
        assert_eq!(code(answer), ErrorCode::UnknownToken, "{id}");
    }
    rig.stop().await;
}

#[tokio::test]
async fn strangers_learn_that_the_server_lives_and_see_the_page() {
    let rig = rig(|options| options).await;
    let open: Vec<_> = ROUTES
        .iter()
        .filter(|(_, _, right)| *right == Right::None)
        .collect();
    // The dashboard's files hold nothing secret, and the code of a link is the secret itself.
    let known = [
        ("GET", "/"),
        ("GET", "/assets/{*name}"),
        ("POST", "/api/v1/dashboard/sessions"),
        ("GET", "/health/live"),
    ];
    assert_eq!(
        open,
        known
            .map(|(method, path)| (method, path, Right::None))
            .iter()
            .collect::<Vec<_>>()
    );
    let http = bare().build().unwrap();
    let live = http.get(rig.url("/health/live")).send().await.unwrap();
    assert_eq!(live.status(), 200);
    // Not to pages of other sites.
    let page = http.get(rig.url("/health/live"));
    let page = page.header("origin", "http://evil.example");
    assert_eq!(page.send().await.unwrap().status(), 403);
    rig.stop().await;
}
