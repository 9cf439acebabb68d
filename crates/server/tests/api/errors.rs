//! Every error is a problem document with a stable code.

use std::time::Duration;

use reqwest::{Method, StatusCode};
use serde_json::{Value, json};
use tokio::io::AsyncReadExt;

use crate::{
    raw,
    support::{Rig, TOKEN, within},
};

const JOBS: &str = "http://localhost/api/v1/jobs";

/// Asserts that the answer is a problem with this status and code.
async fn problem(response: reqwest::Response, status: u16, code: &str) -> Value {
    assert_eq!(response.status().as_u16(), status, "{code}");
    assert_eq!(
        response.headers()["content-type"],
        "application/problem+json"
    );
    assert_eq!(response.headers()["x-content-type-options"], "nosniff");
    assert_eq!(response.headers()["cache-control"], "no-store");
    let body: Value = response.json().await.unwrap();
    assert_eq!(body["code"], code, "{body}");
    assert_eq!(body["status"], status);
    assert_eq!(body["success"], false);
    assert_eq!(body["error"], body["detail"]);
    body
}

#[tokio::test]
async fn paths_and_methods_that_are_not_there() {
    let rig = Rig::new().await;
    let http = rig.bare();
    for path in [
        "/nothing",
        "//",
        "/assets/nothing.js",
        "/api/v1/nothing",
        "/api/v1/jobs/a/b",
        "/api/v1/jobs/x/",
    ] {
        let response = http
            .get(format!("http://localhost{path}"))
            .send()
            .await
            .unwrap();
        problem(response, 404, "not_found").await;
    }
    for (method, path) in [
        (Method::PUT, "/api/v1/jobs"),
        (Method::POST, "/api/v1/jobs/x"),
        (Method::GET, "/api/v1/jobs/x/cancel"),
        (Method::PATCH, "/api/v1/jobs/x/status"),
        (Method::DELETE, "/health/live"),
    ] {
        let url = format!("http://localhost{path}");
        let response = http.request(method, url).send().await.unwrap();
        assert!(response.headers().contains_key("allow"), "{path}");
        problem(response, 405, "method_not_allowed").await;
    }
    rig.stop().await;
}

#[tokio::test]
async fn a_path_says_what_it_takes_and_no_more() {
    let rig = Rig::new().await;
    let http = rig.bare();
    for (path, allowed) in [
        ("x", "GET,HEAD,DELETE"),
        ("cancel", "GET,HEAD,DELETE,POST"),
        ("x/cancel", "POST"),
    ] {
        let request = http.request(Method::OPTIONS, format!("{JOBS}/{path}"));
        let response = request.send().await.unwrap();
        assert_eq!(response.headers()["allow"], allowed, "{path}");
        problem(response, 405, "method_not_allowed").await;
    }
    rig.stop().await;
}

#[tokio::test]
async fn ids_that_are_none_or_unknown() {
    let rig = Rig::new().await;
    let http = rig.bare();
    for id in ["a%2Fb", "%20", "a%00b", &"x".repeat(129)] {
        let response = http.get(format!("{JOBS}/{id}")).send().await.unwrap();
        problem(response, 400, "bad_request").await;
    }
    for (method, part) in [
        (Method::GET, ""),
        (Method::GET, "/status"),
        (Method::DELETE, ""),
        (Method::DELETE, "/status"),
        (Method::POST, "/cancel"),
        (Method::POST, "/retry"),
        (Method::POST, "/start"),
        (Method::GET, "/events"),
        (Method::GET, "/items"),
        (Method::GET, "/log"),
        (Method::GET, "/attempts"),
        (Method::GET, "/artifacts"),
        (Method::GET, "/artifacts/x"),
    ] {
        let url = format!("{JOBS}/unknown{part}");
        let response = http.request(method, url).send().await.unwrap();
        let body = problem(response, 404, "not_found").await;
        assert_eq!(body["detail"], "no job with id 'unknown'");
    }
    rig.stop().await;
}

#[tokio::test]
async fn bodies_that_do_not_fit() {
    let rig = Rig::new().await;
    let http = rig.bare();
    let post = async |body: &str| {
        let post = http.post(JOBS).header("content-type", "application/json");
        post.body(body.to_owned()).send().await.unwrap()
    };
    for body in [
        "",
        "{",
        "7",
        "null",
        "[7]",
        r#"{"kind":7}"#,
        r#"{"kind":"test.echo","args":{},"nonsense":1}"#,
        r#"{"kind":"test.echo","id":"a/b"}"#,
        r#"{"kind":"test.echo","id":".."}"#,
        r#"{"kind":"test.echo","timeout":-1}"#,
        r#"{"kind":"test.echo","timeout":1e300}"#,
        r#"{"kind":"test.echo","attemptTimeout":0}"#,
        r#"{"kind":"test.echo","maxAttempts":0}"#,
        r#"{"kind":"test.echo","priority":99999}"#,
        r#"{"kind":"test.echo","runAt":"tomorrow"}"#,
        r#"{"kind":"test.echo","held":true,"runAt":"2100-01-01T00:00:00Z"}"#,
        r#"{"kind":"test.echo","labels":{"":"x"}}"#,
        r#"{"kind":""}"#,
    ] {
        problem(post(body).await, 400, "bad_request").await;
    }
    let deep = format!(
        r#"{{"kind":"test.echo","args":{}1{}}}"#,
        "[".repeat(200),
        "]".repeat(200)
    );
    problem(post(&deep).await, 400, "bad_request").await;
    let misfit = r#"{"kind":"test.gate","args":{"what":1}}"#;
    problem(post(misfit).await, 400, "invalid_args").await;
    problem(post(r#"{"kind":"no.such"}"#).await, 422, "unknown_kind").await;
    let labels: serde_json::Map<_, _> = (0..40).map(|n| (n.to_string(), json!("x"))).collect();
    let labelled = json!({"kind": "test.echo", "labels": labels}).to_string();
    problem(post(&labelled).await, 413, "too_large").await;
    for media in [
        "text/plain",
        "application/x-www-form-urlencoded",
        "multipart/form-data",
    ] {
        let post = http.post(JOBS).header("content-type", media);
        let response = post.body("{}").send().await.unwrap();
        problem(response, 415, "unsupported_media_type").await;
    }
    let untold = http.post(JOBS).body("{}").send().await.unwrap();
    problem(untold, 415, "unsupported_media_type").await;
    rig.stop().await;
}

#[tokio::test]
async fn bodies_that_are_too_large_are_answered_all_the_same() {
    let rig = Rig::new().await;
    let http = rig.bare();
    let args = |size: usize| json!({"kind": "test.echo", "args": "x".repeat(size)});
    // Past the engine's limit of args, then past the limit of a body, with its length told and not told.
    let response = http.post(JOBS).json(&args(3 << 19)).send().await.unwrap();
    problem(response, 413, "too_large").await;
    let response = http.post(JOBS).json(&args(3 << 20)).send().await.unwrap();
    problem(response, 413, "too_large").await;
    let pieces = (0..48).map(|_| Ok::<_, std::io::Error>(vec![b' '; 1 << 16]));
    let body = reqwest::Body::wrap_stream(futures_util::stream::iter(pieces));
    let post = http.post(JOBS).header("content-type", "application/json");
    let response = post.body(body).send().await.unwrap();
    problem(response, 413, "too_large").await;
    rig.stop().await;

    // A client that sends all before it reads is not cut off.
    let rig = Rig::tcp().await;
    let spaces = " ".repeat(6 << 20);
    let host = rig.handle.tcp().unwrap();
    let answer = raw::tcp(
        &rig,
        &format!(
            "POST /api/v1/jobs HTTP/1.1\r\nHost: {host}\r\nAuthorization: Bearer {TOKEN}\r\n\
             Connection: close\r\nContent-Type: application/json\r\n\
             Content-Length: {}\r\n\r\n{spaces}",
            spaces.len()
        ),
    )
    .await;
    assert!(answer.starts_with("HTTP/1.1 413"), "{answer}");
    rig.stop().await;
}

#[tokio::test]
async fn slow_heads_and_bodies_are_given_up() {
    let short = Duration::from_millis(100);
    let rig = Rig::with(|options| options.request_times(short, short)).await;
    let mut head = raw::unix(&rig, "POST /api/v1/jobs HTTP/1.1\r\nHost: x\r\nX-Slow: ").await;
    let mut body = raw::unix(
        &rig,
        "POST /api/v1/jobs HTTP/1.1\r\nHost: x\r\nContent-Type: application/json\r\n\
         Content-Length: 100\r\n\r\n{\"kind\":",
    )
    .await;
    let mut unused = raw::unix(&rig, "GET /health/live HTTP/1.1\r\nHost: x\r\n\r\n").await;
    let answer = raw::rest(&mut head).await;
    assert!(
        answer.is_empty() || answer.starts_with("HTTP/1.1 408"),
        "{answer}"
    );
    let answer = raw::rest(&mut body).await;
    assert!(answer.starts_with("HTTP/1.1 408"), "{answer}");
    assert!(answer.contains("request_timeout"), "{answer}");
    // A connection that was used once does not stay for ever either.
    let answer = raw::rest(&mut unused).await;
    assert!(answer.starts_with("HTTP/1.1 200"), "{answer}");
    within(async {
        while rig.handle.connections() > 0 {
            tokio::task::yield_now().await;
        }
    })
    .await;
    rig.stop().await;
}

#[tokio::test]
async fn a_head_that_is_too_large_is_refused() {
    let rig = Rig::new().await;
    let many = "X-Many: x\r\n".repeat(120);
    let head = format!("GET / HTTP/1.1\r\nHost: x\r\n{many}\r\n");
    let answer = raw::rest(&mut raw::unix(&rig, &head).await).await;
    assert!(answer.starts_with("HTTP/1.1 431"), "{answer}");
    // More than is read at once: what is left unread may cost the answer, but not the server.
    let long = "x".repeat(1 << 17);
    let head = format!("GET / HTTP/1.1\r\nHost: x\r\nX-Long: {long}\r\n\r\n");
    let mut stream = raw::unix(&rig, &head).await;
    let mut answer = Vec::new();
    if within(stream.read_to_end(&mut answer)).await.is_ok() {
        assert!(answer.starts_with(b"HTTP/1.1 431"));
    }
    rig.stop().await;
}

#[tokio::test]
async fn queries_that_do_not_fit() {
    let rig = Rig::new().await;
    let id = rig.submit("test.parts", json!({})).await;
    let http = rig.bare();
    for query in [
        "?limit=0",
        "?limit=101",
        "?limit=x",
        "?state=processing",
        "?status=running",
        "?status=",
        "?page=0",
        "?page=201",
        "?page=1&cursor=1",
        "?cursor=x",
        "?limit=1&limit=2",
        "?nonsense=1",
        "?label.a=1&label.a=2",
        &format!("/{id}/items?state=cancelled"),
        &format!("/{id}/items?limit=1001"),
        &format!("/{id}/items?after=-1"),
        &format!("/{id}/log?tail=5&after=1"),
        &format!("/{id}/log?tail=0"),
        &format!("/{id}/log?after=x"),
        &format!("/{id}?nonsense=1"),
        &format!("/{id}/events?nonsense=1"),
    ] {
        let response = http.get(format!("{JOBS}{query}")).send().await.unwrap();
        let status = response.status();
        assert_eq!(status, StatusCode::BAD_REQUEST, "{query}");
        problem(response, 400, "bad_request").await;
    }
    rig.stop().await;
}

#[tokio::test]
async fn the_type_of_a_problem_is_a_page_about_it() {
    let rig = Rig::new().await;
    let http = rig.bare();
    let missing = http.get(format!("{JOBS}/unknown")).send().await.unwrap();
    let problem = problem(missing, 404, "not_found").await;
    let page = problem["type"].as_str().unwrap();
    let page = format!("http://localhost{page}");
    let page = http.get(page).send().await.unwrap();
    assert_eq!(page.status(), StatusCode::OK);
    assert_eq!(page.headers()["content-type"], "text/html; charset=utf-8");
    let policy = page.headers()["content-security-policy"].to_str().unwrap();
    assert!(policy.starts_with("default-src 'none'"), "{policy}");
    let text = page.text().await.unwrap();
    assert!(
        text.contains("What to do.") && text.contains("longhaul jobs"),
        "{text}"
    );
    for (code, status) in [
        ("nothing", 404),
        ("README", 404),
        ("..%2Fapi", 404),
        ("%FF", 400),
    ] {
        let url = format!("http://localhost/docs/errors/{code}");
        let response = http.get(url).send().await.unwrap();
        assert_eq!(response.status(), status, "{code}");
        assert_eq!(
            response.headers()["content-type"],
            "application/problem+json"
        );
    }
    rig.stop().await;
}
