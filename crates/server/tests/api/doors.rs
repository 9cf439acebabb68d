//! Who is let in, and by which door.

use std::{num::NonZeroU32, os::unix::fs::PermissionsExt};

use longhaul::types::ErrorCode;
use longhaul_client::{Client, Error, Token};
use longhaul_server::{AccessLimits, AdminToken, Everywhere, Options, ROUTES, Right, Server};
use reqwest::{Method, StatusCode};
use serde_json::{Value, json};

use crate::{
    raw,
    support::{Rig, TOKEN, bare, request},
};

#[tokio::test]
async fn every_route_refuses_a_stranger() {
    // More failures than an address may have otherwise.
    let limits = AccessLimits {
        failures: NonZeroU32::MAX,
        ..AccessLimits::default()
    };
    let rig = Rig::with(|options| {
        options
            .tcp(([127, 0, 0, 1], 0).into())
            .token(AdminToken::new(TOKEN).unwrap())
            .access_limits(limits)
    })
    .await;
    let http = bare().build().unwrap();
    let nothing = ("GET", "/nothing", Right::Token);
    for (method, path, right) in ROUTES.iter().copied().chain([nothing]) {
        if right == Right::None {
            continue;
        }
        let path = path.replace("{id}", "x").replace("{*name}", "y");
        let path = path.replace("{queue}", "z").replace("{token}", "t");
        let path = path.replace("{worker}", "v");
        let path = path.replace("{claim}", "1.1");
        let path = path.replace("{name}", "s");
        let ask = |token: Option<&str>| {
            let method: Method = method.parse().unwrap();
            let request = http.request(method, rig.url(&path));
            match token {
                Some(token) => request.bearer_auth(token),
                None => request,
            }
        };
        for token in [None, Some("wrong"), Some("")] {
            let response = ask(token).send().await.unwrap();
            assert_eq!(response.status(), 401, "{method} {path}");
            assert_eq!(response.headers()["www-authenticate"], "Bearer");
            let problem: Value = response.json().await.unwrap();
            assert_eq!(problem["code"], "unauthorised", "{method} {path}");
        }
        // Each is there for whoever shows the token: the list has no route that is not.
        if path != "/api/v1/server/stop" {
            let response = ask(Some(TOKEN)).send().await.unwrap();
            let found = response.status() != StatusCode::METHOD_NOT_ALLOWED
                && (response.status() != StatusCode::NOT_FOUND
                    || !response.text().await.unwrap().contains("nothing at"));
            assert_eq!(found, path != "/nothing", "{method} {path}");
        }
    }
    rig.stop().await;
}

#[tokio::test]
async fn the_token_opens_the_tcp_door() {
    let rig = Rig::tcp().await;
    let far = rig.far();
    let answer = far.submit(&request("test.echo", json!({}))).await.unwrap();
    far.wait(&answer.job_id).await.unwrap();
    assert_eq!(far.server().await.unwrap().version, "1.2.3");
    let other = Client::tcp(
        &rig.url(""),
        Some(Token::new(&TOKEN.replace('0', "9")).unwrap()),
    );
    let refused = other.unwrap().server().await.unwrap_err();
    assert_eq!(refused.code(), Some(ErrorCode::Unauthorised));
    rig.stop().await;
}

#[tokio::test]
async fn what_is_local_is_not_submitted_over_tcp() {
    let rig = Rig::tcp().await;
    let gate = request("test.gate", json!({}));
    let refused = rig.far().submit(&gate).await.unwrap_err();
    assert_eq!(refused.code(), Some(ErrorCode::Forbidden));
    let many = [request("test.echo", json!({})), gate.clone()];
    let refused = rig.far().submit_many(&many).await.unwrap_err();
    assert_eq!(refused.code(), Some(ErrorCode::Forbidden));
    assert_eq!(rig.client.counts().await.unwrap().by, []);
    rig.client.submit(&gate).await.unwrap();
    rig.stop().await;
}

#[tokio::test]
async fn a_server_that_is_told_nothing_takes_no_job_over_tcp() {
    let rig = Rig::with(|options| {
        options
            .tcp(([127, 0, 0, 1], 0).into())
            .token(AdminToken::new(TOKEN).unwrap())
    })
    .await;
    let refused = rig.far().submit(&request("test.echo", json!({}))).await;
    assert_eq!(refused.unwrap_err().code(), Some(ErrorCode::Forbidden));
    rig.stop().await;
}

#[tokio::test]
async fn open_access_is_for_this_machine_and_its_own_pages() {
    let rig = Rig::with(|options| {
        options
            .tcp(([127, 0, 0, 1], 0).into())
            .access_open(true)
            .admission(Everywhere)
    })
    .await;
    let near = Client::tcp(&rig.url(""), None).unwrap();
    let id = near
        .submit(&request("test.echo", json!({})))
        .await
        .unwrap()
        .job_id;
    near.wait(&id).await.unwrap();
    let refused = near.stop_server().await.unwrap_err();
    assert_eq!(refused.code(), Some(ErrorCode::Forbidden));

    let http = bare().build().unwrap();
    let port = rig.handle.tcp().unwrap().port();
    let ask = async |name: &str, value: &str| {
        let get = http.get(rig.url("/api/v1/jobs")).header(name, value);
        get.send().await.unwrap().status().as_u16()
    };
    assert_eq!(
        ask("origin", &format!("http://127.0.0.1:{port}")).await,
        200
    );
    assert_eq!(ask("origin", "http://evil.example").await, 403);
    assert_eq!(
        ask("origin", &format!("http://127.0.0.1:{}", port ^ 1)).await,
        403
    );
    assert_eq!(ask("host", &format!("localhost:{port}")).await, 200);
    assert_eq!(ask("host", &format!("evil.example:{port}")).await, 403);
    assert_eq!(ask("host", "127.0.0.1").await, 403);
    for name in ["forwarded", "x-forwarded-for", "x-forwarded-proto", "via"] {
        assert_eq!(ask(name, "x").await, 403, "{name}");
    }
    rig.stop().await;
}

#[tokio::test]
async fn no_page_of_another_site_is_answered_not_even_asked_before() {
    let rig = Rig::tcp().await;
    let http = bare().build().unwrap();
    let preflight = http
        .request(Method::OPTIONS, rig.url("/api/v1/jobs"))
        .header("origin", "http://evil.example")
        .header("access-control-request-method", "POST");
    let response = preflight.send().await.unwrap();
    assert_eq!(response.status(), 403);
    assert!(
        !response
            .headers()
            .contains_key("access-control-allow-origin")
    );
    let page = rig
        .bare()
        .get("http://localhost/api/v1/jobs")
        .header("origin", "http://localhost");
    assert_eq!(page.send().await.unwrap().status(), 403);
    rig.stop().await;
}

#[tokio::test]
async fn a_host_that_is_missing_or_there_twice_is_refused() {
    let rig = Rig::tcp().await;
    let host = format!("Host: {}\r\n", rig.handle.tcp().unwrap());
    let token = format!("Authorization: Bearer {TOKEN}\r\nConnection: close\r\n");
    let ask = |hosts: String| format!("GET /api/v1/jobs HTTP/1.1\r\n{hosts}{token}\r\n");
    let answer = raw::tcp(&rig, &ask(host.clone())).await;
    assert!(answer.starts_with("HTTP/1.1 200"), "{answer}");
    let answer = raw::tcp(&rig, &ask(format!("{host}Host: evil.example\r\n"))).await;
    assert!(answer.starts_with("HTTP/1.1 403"), "{answer}");
    let answer = raw::tcp(&rig, &format!("GET /api/v1/jobs HTTP/1.0\r\n{token}\r\n")).await;
    assert!(answer.starts_with("HTTP/1.0 403"), "{answer}");
    rig.stop().await;
}

#[tokio::test]
async fn the_socket_is_private() {
    let rig = Rig::new().await;
    let socket = rig.handle.socket().unwrap();
    let mode = |path: &std::path::Path| path.metadata().unwrap().permissions().mode() & 0o777;
    assert_eq!(mode(socket), 0o600);
    assert_eq!(mode(socket.parent().unwrap()), 0o700);
    rig.stop().await;
}

#[tokio::test]
async fn doors_that_would_let_anybody_in_are_not_opened() {
    let rig = Rig::new().await;
    let bind =
        async |options: Options| Server::bind(rig.engine.clone(), options).await.unwrap_err();
    let options = || Options::new("1", "1");
    let error = bind(options()).await.to_string();
    assert!(
        error.contains("needs a unix socket or a TCP address"),
        "{error}"
    );
    let error = bind(options().tcp(([127, 0, 0, 1], 0).into())).await;
    assert!(error.to_string().contains("needs a token"), "{error}");
    let open = options().tcp(([0, 0, 0, 0], 0).into()).access_open(true);
    assert!(bind(open).await.to_string().contains("loopback"));
    let taken = options().socket(rig.handle.socket().unwrap());
    assert!(bind(taken).await.to_string().contains("already"));
    rig.client.live().await.unwrap();
    rig.stop().await;
}

#[tokio::test]
async fn a_server_that_is_not_there_is_unreachable() {
    let folder = tempfile::tempdir().unwrap();
    let client = Client::unix(folder.path().join("socket")).unwrap();
    let error = client.live().await.unwrap_err();
    assert!(matches!(error, Error::Unreachable { .. }), "{error:?}");
    assert!(error.is_unavailable());
    assert!(error.to_string().contains("socket"), "{error}");
}
