//! The dashboard: its files, the link that opens it, and the session that this begins.

use std::{fs, path::Path, sync::Arc, time::Duration};

use longhaul::{
    testing::TestClock,
    types::{
        ErrorCode, Problem,
        body::{DashboardLink, DashboardSession},
        event::EventFilter,
    },
};
use longhaul_client::{Client, Token};
use longhaul_server::{AdminToken, Options};
use reqwest::{Response, StatusCode};
use serde_json::{Value, json};

use crate::support::{Rig, TOKEN, bare, within};

/// Bytes that all files of the page have together at most, as they are; compressed they are less than a third of that.
const MOST: usize = 200 << 10;

fn assets() -> Vec<(String, String)> {
    fn add(folder: &Path, prefix: &str, files: &mut Vec<(String, String)>) {
        for entry in fs::read_dir(folder).unwrap() {
            let path = entry.unwrap().path();
            let name = format!("{prefix}{}", path.file_name().unwrap().to_str().unwrap());
            if path.is_dir() {
                add(&path, &format!("{name}/"), files);
            } else {
                files.push((name, fs::read_to_string(&path).unwrap()));
            }
        }
    }
    let mut files = Vec::new();
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("src/dashboard/assets");
    add(&folder, "", &mut files);
    files
}

async fn link(client: &Client) -> DashboardLink {
    client.dashboard_link().await.unwrap()
}

fn code(link: &DashboardLink) -> String {
    link.url.split_once("#link=").unwrap().1.to_owned()
}

/// What a browser does with a link.
async fn redeem(link: &DashboardLink) -> Response {
    let (page, code) = link.url.split_once("#link=").unwrap();
    let origin = page.trim_end_matches('/');
    let http = bare().build().unwrap();
    let post = http
        .post(format!("{origin}/api/v1/dashboard/sessions"))
        .header("origin", origin)
        .json(&json!({"code": code}));
    post.send().await.unwrap()
}

async fn begin(link: &DashboardLink) -> (Client, DashboardSession) {
    let response = redeem(link).await;
    assert_eq!(response.status(), StatusCode::CREATED);
    let session: DashboardSession = response.json().await.unwrap();
    let origin = link.url.split_once("/#").unwrap().0;
    let token = Token::new(&session.token).unwrap();
    (Client::tcp(origin, Some(token)).unwrap(), session)
}

fn with_clock(clock: &TestClock) -> impl FnOnce(Options) -> Options {
    let clock = Arc::new(clock.clone());
    |options| {
        options
            .tcp(([127, 0, 0, 1], 0).into())
            .token(AdminToken::new(TOKEN).unwrap())
            .clock(clock)
    }
}

#[tokio::test]
async fn every_file_of_the_page_is_served_to_strangers_under_its_policy() {
    let rig = Rig::tcp().await;
    let http = bare().build().unwrap();
    for (name, text) in assets() {
        let path = match name.as_str() {
            "index.html" => "/".to_owned(),
            name => format!("/assets/{name}"),
        };
        let response = http.get(rig.url(&path)).send().await.unwrap();
        assert_eq!(response.status(), StatusCode::OK, "{path}");
        let headers = response.headers().clone();
        assert_eq!(headers["x-content-type-options"], "nosniff");
        assert_eq!(headers["cache-control"], "no-cache");
        assert_eq!(
            headers["content-security-policy"],
            "default-src 'none'; script-src 'self'; style-src 'self'; connect-src 'self'; img-src 'self' blob: data:; \
             base-uri 'none'; form-action 'none'; frame-ancestors 'none'"
        );
        let media = headers["content-type"].to_str().unwrap();
        let expected = match Path::new(&name).extension().unwrap().to_str().unwrap() {
            "html" => "text/html",
            "css" => "text/css",
            "js" => "text/javascript",
            "svg" => "image/svg+xml",
            other => panic!("{other}"),
        };
        assert!(media.starts_with(expected), "{path}: {media}");
        assert_eq!(response.text().await.unwrap(), text, "{path}");

        let tag = headers["etag"].to_str().unwrap();
        let again = http.get(rig.url(&path)).header("if-none-match", tag);
        let again = again.send().await.unwrap();
        assert_eq!(again.status(), StatusCode::NOT_MODIFIED, "{path}");
        assert_eq!(again.text().await.unwrap(), "");
        let other = http.get(rig.url(&path)).header("if-none-match", "\"x\"");
        assert_eq!(other.send().await.unwrap().status(), StatusCode::OK);
    }
    let unknown = http.get(rig.url("/assets/js/nothing.js"));
    assert_eq!(unknown.send().await.unwrap().status(), 404);
    rig.stop().await;
}

#[test]
fn the_page_parses_no_text_and_needs_no_exception_of_its_policy() {
    let files = assets();
    for (name, text) in &files {
        for word in [
            "innerHTML",
            "outerHTML",
            "insertAdjacentHTML",
            "document.write",
            "DOMParser",
            "createContextualFragment",
            "srcdoc",
            "eval(",
            "new Function",
            "javascript:",
            "document.cookie",
            "setAttribute(\"style",
        ] {
            assert!(!text.contains(word), "{name}: {word}");
        }
        if name == "index.html" {
            assert!(!text.contains(" style="), "{name}");
            assert!(!text.contains("<style"), "{name}");
            assert!(!text.contains("<script>"), "{name}");
            let handler = text.split_whitespace().find(|word| {
                word.strip_prefix("on").is_some_and(|rest| {
                    rest.split_once('=')
                        .is_some_and(|(event, _)| event.bytes().all(|b| b.is_ascii_lowercase()))
                })
            });
            assert_eq!(handler, None, "{name}");
        }
        // The names of XML's own spaces are addresses that nobody asks.
        let spaces = ["icon.svg", "js/dom.js"].contains(&name.as_str());
        let elsewhere = text.contains("http://") || text.contains("https://");
        assert!(spaces || !elsewhere, "{name}");
    }
    let size: usize = files.iter().map(|(_, text)| text.len()).sum();
    assert!(size <= MOST, "{size} bytes");
}

#[tokio::test]
async fn only_the_page_and_the_exchange_of_a_code_are_for_strangers() {
    let rig = Rig::tcp().await;
    let http = bare().build().unwrap();
    let status = async |method: &str, path: &str, header: (&str, &str)| {
        let request = http.request(method.parse().unwrap(), rig.url(path));
        let response = request.header(header.0, header.1).send().await.unwrap();
        response.status().as_u16()
    };
    let none = ("accept", "*/*");
    for (method, path) in [
        ("POST", "/"),
        ("GET", "/assets"),
        ("GET", "/assets/"),
        ("DELETE", "/assets/style.css"),
        ("GET", "/assets/../api/v1/jobs"),
        ("GET", "/api/v1/dashboard/sessions"),
        ("DELETE", "/api/v1/dashboard/sessions"),
        ("POST", "/api/v1/dashboard/links"),
        ("GET", "//"),
    ] {
        assert_eq!(status(method, path, none).await, 401, "{method} {path}");
    }
    assert_eq!(status("HEAD", "/", none).await, 200);
    // Not under a foreign name, and not from another site's page.
    assert_eq!(status("GET", "/", ("host", "evil.example")).await, 403);
    let foreign = ("origin", "http://evil.example");
    assert_eq!(
        status("POST", "/api/v1/dashboard/sessions", foreign).await,
        403
    );
    rig.stop().await;
}

#[tokio::test]
async fn a_link_works_once_and_its_session_may_everything() {
    let rig = Rig::tcp().await;
    let link = link(&rig.client).await;
    assert!(link.url.starts_with(&rig.url("/#link=")), "{}", link.url);
    let (page, session) = begin(&link).await;
    assert_ne!(session.token, code(&link));
    page.counts().await.unwrap();
    page.pause_queue("gates").await.unwrap();
    // The code of another, a code that was used, none at all.
    let used = redeem(&link).await;
    assert_eq!(used.status(), StatusCode::UNAUTHORIZED);
    let problem: Problem = used.json().await.unwrap();
    assert!(problem.detail.contains("longhaul dashboard"), "{problem:?}");
    for guess in [
        "",
        "x",
        &code(&link).replace('a', "b"),
        TOKEN,
        &session.token,
    ] {
        let url = format!("{}#link={guess}", rig.url("/"));
        let guessed = DashboardLink {
            url,
            ..link.clone()
        };
        assert_eq!(redeem(&guessed).await.status(), 401, "{guess}");
    }
    let http = bare().build().unwrap();
    let post = |body: Value| {
        http.post(rig.url("/api/v1/dashboard/sessions"))
            .json(&body)
            .send()
    };
    assert_eq!(post(json!({})).await.unwrap().status(), 400);
    assert_eq!(
        post(json!({"code": "x".repeat(5000)}))
            .await
            .unwrap()
            .status(),
        413
    );
    rig.stop().await;
}

#[tokio::test]
async fn a_link_is_for_administrators_to_make() {
    let rig = Rig::with(|options| options.tcp(([127, 0, 0, 1], 0).into()).access_open(true)).await;
    let near = Client::tcp(&rig.url(""), None).unwrap();
    let refused = near.dashboard_link().await.unwrap_err();
    assert_eq!(refused.code(), Some(ErrorCode::Forbidden));
    rig.stop().await;
}

#[tokio::test]
async fn a_link_lasts_a_minute_and_a_session_twelve_hours() {
    let clock = TestClock::default();
    let rig = Rig::with(with_clock(&clock)).await;
    let (early, late) = (link(&rig.client).await, link(&rig.client).await);
    clock.advance(Duration::from_secs(59));
    let (page, _) = begin(&early).await;
    clock.advance(Duration::from_secs(1));
    assert_eq!(redeem(&late).await.status(), StatusCode::UNAUTHORIZED);

    clock.advance(Duration::from_hours(12) - Duration::from_secs(2));
    page.counts().await.unwrap();
    let mut events = page.events(&EventFilter::default()).await.unwrap();
    clock.advance(Duration::from_secs(2));
    // What the session opened ends with it.
    assert!(matches!(within(events.next()).await, Ok(None) | Err(_)));
    let refused = page.counts().await.unwrap_err();
    assert_eq!(refused.code(), Some(ErrorCode::Unauthorised));
    rig.stop().await;
}

#[tokio::test]
async fn a_session_ends_when_it_says_so_and_no_other_does() {
    let rig = Rig::tcp().await;
    let (one, session) = begin(&link(&rig.client).await).await;
    let (two, _) = begin(&link(&rig.client).await).await;
    let mut events = one.events(&EventFilter::default()).await.unwrap();
    let http = bare().build().unwrap();
    let end = |token: &str| {
        let delete = http.delete(rig.url("/api/v1/dashboard/sessions"));
        delete.bearer_auth(token).send()
    };
    assert_eq!(end(TOKEN).await.unwrap().status(), StatusCode::FORBIDDEN);
    assert_eq!(
        end(&session.token).await.unwrap().status(),
        StatusCode::NO_CONTENT
    );
    assert!(matches!(within(events.next()).await, Ok(None) | Err(_)));
    assert!(one.counts().await.is_err());
    two.counts().await.unwrap();
    rig.stop().await;
}

#[tokio::test]
async fn a_server_without_a_port_opens_one_for_the_dashboard_alone() {
    let rig = Rig::new().await;
    assert_eq!(rig.handle.tcp(), None);
    let first = link(&rig.client).await;
    let second = link(&rig.client).await;
    let (origin, _) = first.url.split_once("/#").unwrap();
    assert!(origin.starts_with("http://127.0.0.1:"), "{origin}");
    assert!(second.url.starts_with(origin), "one port for all");
    let nobody = Client::tcp(origin, None).unwrap();
    let refused = nobody.counts().await.unwrap_err();
    assert_eq!(refused.code(), Some(ErrorCode::Unauthorised));
    let (page, _) = begin(&first).await;
    page.counts().await.unwrap();
    // The page makes the next link itself, by the name it came by.
    assert!(link(&page).await.url.starts_with(origin));
    let shell = bare().build().unwrap().get(origin).send().await.unwrap();
    assert_eq!(shell.status(), StatusCode::OK);
    rig.stop().await;
}
