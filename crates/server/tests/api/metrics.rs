//! What a server says of itself to Prometheus, and that docs/metrics.md describes it.

use std::{
    collections::{BTreeMap, BTreeSet},
    fs,
    path::Path,
};

use longhaul::types::State;
use longhaul_server::ROUTES;
use serde_json::json;

use crate::support::{Rig, TOKEN, bare, within};

async fn scrape(rig: &Rig) -> String {
    let get = rig.bare().get("http://localhost/metrics");
    let response = get.send().await.unwrap();
    assert_eq!(response.status(), 200);
    let media = response.headers()["content-type"].to_str().unwrap();
    assert!(media.starts_with("application/openmetrics-text"), "{media}");
    response.text().await.unwrap()
}

/// A server on which something of everything has happened, a stream still open.
async fn busy(rig: &Rig) -> longhaul_client::Events {
    for (kind, args, state) in [
        ("test.echo", json!({}), State::Completed),
        ("test.echo", json!({"again": true}), State::Completed),
        ("test.echo", json!({"fail": "as told"}), State::Failed),
        ("test.parts", json!({}), State::Completed),
    ] {
        let id = rig.submit(kind, args).await;
        rig.until(&id, state).await;
    }
    let gate = rig.submit("test.gate", json!({})).await;
    rig.until(&gate, State::Running).await;
    rig.client
        .events(&longhaul::types::event::EventFilter::default())
        .await
        .unwrap()
}

/// The value of the sample that begins so.
fn value(text: &str, sample: &str) -> f64 {
    let line = text.lines().find_map(|line| line.strip_prefix(sample));
    let line = line.unwrap_or_else(|| panic!("no {sample} in\n{text}"));
    line.trim().parse().unwrap()
}

#[tokio::test]
async fn what_happened_is_counted() {
    let rig = Rig::new().await;
    let stream = busy(&rig).await;
    // Ends are counted just after they are told.
    let mut text = scrape(&rig).await;
    within(async {
        while !text.contains("longhaul_jobs_ended_total{kind=\"test.parts\",state=\"completed\"}")
            || value(&text, "longhaul_open_streams ") > 1.0
        {
            text = scrape(&rig).await;
        }
    })
    .await;
    for (sample, expected) in [
        ("longhaul_build_info{version=\"1.2.3\",build=\"b7\"} ", 1.0),
        ("longhaul_jobs{queue=\"default\",state=\"completed\"} ", 3.0),
        ("longhaul_jobs{queue=\"default\",state=\"failed\"} ", 1.0),
        ("longhaul_jobs{queue=\"gates\",state=\"running\"} ", 1.0),
        ("longhaul_slots{queue=\"gates\"} ", 16.0),
        (
            "longhaul_start_seconds_count{kind=\"test.echo\",queue=\"default\"} ",
            4.0,
        ),
        (
            "longhaul_start_seconds_count{kind=\"test.gate\",queue=\"gates\"} ",
            1.0,
        ),
        ("longhaul_run_seconds_count{kind=\"test.echo\"} ", 4.0),
        (
            "longhaul_jobs_ended_total{kind=\"test.echo\",state=\"completed\"} ",
            2.0,
        ),
        (
            "longhaul_jobs_ended_total{kind=\"test.echo\",state=\"failed\"} ",
            1.0,
        ),
        ("longhaul_retries_total{kind=\"test.echo\"} ", 1.0),
        ("longhaul_rescues_total{kind=\"test.echo\"} ", 0.0),
        (
            "longhaul_job_items_sum{kind=\"test.parts\",outcome=\"completed\"} ",
            2.0,
        ),
        (
            "longhaul_job_items_sum{kind=\"test.parts\",outcome=\"failed\"} ",
            1.0,
        ),
        (
            "longhaul_observed_count{kind=\"test.echo\",name=\"quality\"} ",
            4.0,
        ),
        (
            "longhaul_observed_sum{kind=\"test.echo\",name=\"quality\"} ",
            368.0,
        ),
        ("longhaul_open_streams ", 1.0),
        (
            "longhaul_http_request_seconds_count{method=\"POST\",route=\"/api/v1/jobs\",status=\"2xx\"} ",
            5.0,
        ),
    ] {
        assert!(
            (value(&text, sample) - expected).abs() < 1e-9,
            "{sample}{expected} in\n{text}"
        );
    }
    assert!(value(&text, "longhaul_uptime_seconds ") >= 0.0);
    drop(stream);
    within(async {
        while value(&scrape(&rig).await, "longhaul_open_streams ") > 0.0 {
            tokio::task::yield_now().await;
        }
    })
    .await;
    rig.stop().await;
}

#[tokio::test]
async fn what_comes_from_outside_is_no_label() {
    let rig = Rig::new().await;
    let http = rig.bare();
    for path in [
        "/nothing/secret-1",
        "/api/v1/jobs/secret-2",
        "/api/v1/jobs/secret-3/items",
    ] {
        http.get(format!("http://localhost{path}"))
            .send()
            .await
            .unwrap();
    }
    let made_up = reqwest::Method::from_bytes(b"SECRET").unwrap();
    http.request(made_up, "http://localhost/api/v1/jobs")
        .send()
        .await
        .unwrap();
    let submission = json!({"kind": "test.echo", "args": {}, "id": "secret-4", "queue": "secret-5", "labels": {"a": "secret-6"}});
    http.post("http://localhost/api/v1/jobs")
        .json(&submission)
        .send()
        .await
        .unwrap();
    let text = scrape(&rig).await;
    assert!(!text.to_lowercase().contains("secret"), "{text}");
    let other = value(&text, "longhaul_jobs{queue=\"other\",state=\"pending\"} ");
    assert!((other - 1.0).abs() < 1e-9, "{text}");
    let routes = text
        .split("route=\"")
        .skip(1)
        .filter_map(|rest| rest.split('"').next());
    let routes: BTreeSet<&str> = routes.collect();
    for route in &routes {
        assert!(
            *route == "other" || ROUTES.iter().any(|(_, path, _)| path == route),
            "{route}"
        );
    }
    assert!(routes.contains("/api/v1/jobs/{id}/items"), "{routes:?}");
    rig.stop().await;
}

#[tokio::test]
async fn the_table_of_metrics_is_what_is_served() {
    let rig = Rig::new().await;
    let stream = busy(&rig).await;
    let mut text = scrape(&rig).await;
    within(async {
        while !text.contains("longhaul_job_items_sum") {
            text = scrape(&rig).await;
        }
    })
    .await;
    let mut served: BTreeMap<String, (String, BTreeSet<String>)> = BTreeMap::new();
    for line in text.lines() {
        if let Some(rest) = line.strip_prefix("# TYPE ") {
            let (name, kind) = rest.split_once(' ').unwrap();
            served.insert(name.to_owned(), (kind.to_owned(), BTreeSet::new()));
        } else if let Some((sample, labels)) = line.split_once('{') {
            let family = served
                .iter_mut()
                .filter(|(name, _)| sample.starts_with(name.as_str()));
            let (_, labels_seen) = family.max_by_key(|(name, _)| name.len()).unwrap().1;
            let labels = labels.split_once('}').unwrap().0;
            let names = labels
                .split("\",")
                .filter_map(|label| label.split('=').next());
            labels_seen.extend(names.filter(|name| *name != "le").map(str::to_owned));
        }
    }
    let guide = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../docs/metrics.md");
    let guide = fs::read_to_string(guide).unwrap();
    let rows = guide
        .lines()
        .filter(|line| line.starts_with("| `longhaul_"));
    let described: BTreeMap<_, _> = rows
        .map(|row| {
            let cells: Vec<&str> = row.split('|').map(str::trim).collect();
            let labels = cells[3]
                .split_whitespace()
                .map(|label| label.trim_matches('`').to_owned());
            (
                cells[1].trim_matches('`').to_owned(),
                (cells[2].to_owned(), labels.collect()),
            )
        })
        .collect();
    assert_eq!(served, described);
    assert!(text.ends_with("# EOF\n"));
    drop(stream);
    rig.stop().await;
}

#[tokio::test]
async fn metrics_are_for_whoever_shows_the_token() {
    let rig = Rig::tcp().await;
    let http = bare().build().unwrap();
    let stranger = http.get(rig.url("/metrics")).send().await.unwrap();
    assert_eq!(stranger.status(), 401);
    let known = http
        .get(rig.url("/metrics"))
        .bearer_auth(TOKEN)
        .send()
        .await
        .unwrap();
    assert_eq!(known.status(), 200);
    rig.stop().await;
}
