//! Lists over HTTP: the grammar, how many there are, what a job waits for, and when it should end.

use longhaul::types::{
    JobId, State, Timestamp,
    body::{BulkRequest, JobPage, SubmitRequest, TotalIs, WaitingFor},
};
use longhaul_client::JobsQuery;
use reqwest::StatusCode;
use serde_json::{Value, json};

use crate::support::{Rig, request, within};

const JOBS: &str = "http://localhost/api/v1/jobs";

async fn submit(rig: &Rig, id: &str, kind: &str, args: Value, labels: &[(&str, &str)]) -> JobId {
    let labels = labels
        .iter()
        .map(|(name, value)| ((*name).to_owned(), (*value).to_owned()));
    let request = SubmitRequest {
        id: Some(id.parse().unwrap()),
        labels: labels.collect(),
        ..request(kind, args)
    };
    rig.client.submit(&request).await.unwrap().job_id
}

/// Four jobs: `gate` runs, `ours` and `theirs` completed, `broken` failed.
async fn mixture(rig: &Rig) {
    let gate = submit(rig, "gate", "test.gate", json!({}), &[]).await;
    rig.until(&gate, State::Running).await;
    let ours = submit(rig, "ours", "test.echo", json!({}), &[("team", "a b")]).await;
    rig.until(&ours, State::Completed).await;
    let theirs = submit(rig, "theirs", "test.lines", json!({}), &[("team", "c")]).await;
    rig.until(&theirs, State::Completed).await;
    let fail = json!({"fail": "the Bridge is out"});
    let broken = submit(rig, "broken", "test.echo", fail, &[("character", "7")]).await;
    rig.until(&broken, State::Failed).await;
}

fn address(query: &[(&str, &str)]) -> String {
    let mut address = form_urlencoded::Serializer::for_suffix(format!("{JOBS}?"), JOBS.len() + 1);
    address.extend_pairs(query).finish()
}

async fn list(rig: &Rig, query: &[(&str, &str)]) -> JobPage {
    let request = rig.bare().get(address(query));
    let response = within(request.send()).await.unwrap();
    assert_eq!(response.status(), StatusCode::OK, "{query:?}");
    response.json().await.unwrap()
}

async fn ids(rig: &Rig, query: &[(&str, &str)]) -> String {
    let page = list(rig, query).await;
    assert_eq!(page.total, page.jobs.len() as u64, "{query:?}");
    assert_eq!((page.total_is, page.cut), (TotalIs::Exact, None));
    let ids: Vec<String> = page.jobs.iter().map(|job| job.job_id.to_string()).collect();
    ids.join(" ")
}

#[tokio::test]
async fn one_grammar_finds_jobs() {
    let rig = Rig::with(|options| options.filter_name("characterId", "character")).await;
    mixture(&rig).await;
    for (q, expected) in [
        ("", "broken theirs ours gate"),
        ("state:completed,failed", "broken theirs ours"),
        ("status:processing", "gate"),
        ("kind:test.* state:failed", "broken"),
        ("kind:test.e*", "broken ours"),
        ("kind:nothing.*", ""),
        ("queue:gates", "gate"),
        (r#"label.team:"a b""#, "ours"),
        ("created:<1h ended:<1h", "broken theirs ours"),
        ("created:>1h", ""),
        ("created:>2026-01-01 state:running", "gate"),
        ("bridge", "broken"),
        (r#""bridge IS""#, "broken"),
        ("out bridge", "broken"),
        ("the", "broken theirs"),
        ("characterId:7", "broken"),
        ("state:running status:completed", ""),
    ] {
        assert_eq!(ids(&rig, &[("q", q)]).await, expected, "{q}");
    }
    for (query, expected) in [
        (&[("text", "the bridge")][..], "broken"),
        (&[("q", "the"), ("state", "completed")], "theirs"),
        (
            &[("q", "state:failed"), ("state", "completed")],
            "broken theirs ours",
        ),
        (&[("characterId", "7"), ("status", "failed")], "broken"),
        (&[("createdAfter", "1h"), ("kind", "test.lines")], "theirs"),
        (&[("endedBefore", "2026-01-01T00:00:00Z")], ""),
        (&[("endedAfter", "2026-01-01")], "broken theirs ours"),
        (&[("createdBefore", "1d")], ""),
    ] {
        assert_eq!(ids(&rig, query).await, expected, "{query:?}");
    }
    rig.gate.send_replace(2);
    rig.stop().await;
}

#[tokio::test]
async fn a_filter_that_is_wrong_is_refused_with_the_word_and_what_is_known() {
    let rig = Rig::with(|options| options.filter_name("characterId", "character")).await;
    for (query, parts) in [
        (
            ("q", "stat:failed"),
            &["stat:failed", "state", "characterId"][..],
        ),
        (("q", "state:done"), &["state:done", "cancelled"]),
        (("q", "ended:>soon"), &["ended:>soon", "15m"]),
        (("q", "\"open"), &["\"open", "not closed"]),
        (
            ("createdAfter", "soon"),
            &["createdAfter=soon", "2026-01-31"],
        ),
        (("text", ""), &["text="]),
        (("kind", "a*b"), &["kind=a*b", "star"]),
        (("charId", "7"), &["charId"]),
    ] {
        let response = rig.bare().get(address(&[query])).send().await.unwrap();
        assert_eq!(response.status(), StatusCode::BAD_REQUEST, "{query:?}");
        let problem: Value = response.json().await.unwrap();
        assert_eq!(problem["code"], "bad_request");
        let detail = problem["detail"].as_str().unwrap();
        for part in parts {
            assert!(detail.contains(part), "{query:?}: {detail}");
        }
    }
    rig.stop().await;
}

#[tokio::test]
async fn requests_for_many_take_the_grammar() {
    let rig = Rig::new().await;
    mixture(&rig).await;
    let of = |q: &str| BulkRequest {
        q: q.to_owned(),
        ..BulkRequest::default()
    };
    let retried = rig
        .client
        .retry_many(&of("bridge ended:<1h"))
        .await
        .unwrap();
    assert_eq!((retried.matched, retried.done), (1, 1));
    let none = rig
        .client
        .cancel_many(&of("kind:test.gate created:>1h"))
        .await
        .unwrap();
    assert_eq!(none.matched, 0);
    let narrowed = BulkRequest {
        kinds: vec!["test.lines".to_owned()],
        ..of("status:processing")
    };
    assert_eq!(rig.client.cancel_many(&narrowed).await.unwrap().matched, 0);
    let one = rig
        .client
        .cancel_many(&of("status:processing kind:test.gate"))
        .await;
    assert_eq!(one.unwrap().done, 1);
    for wrong in ["", " ", "stat:failed"] {
        assert!(rig.client.cancel_many(&of(wrong)).await.is_err(), "{wrong}");
    }
    rig.stop().await;
}

#[tokio::test]
async fn totals_go_over_all_pages() {
    let rig = Rig::new().await;
    mixture(&rig).await;
    for (q, total) in [("", 4), ("the", 2), ("state:completed", 2)] {
        let query = JobsQuery {
            q: Some(q.to_owned()),
            limit: Some(1),
            ..JobsQuery::default()
        };
        let page = rig.client.jobs(&query).await.unwrap();
        assert_eq!((page.jobs.len(), page.total), (1, total), "{q}");
        assert!(page.next_cursor.is_some() && page.cut.is_none());
        assert_eq!(page.counts.completed, 2, "counts are of all states");
    }
    rig.stop().await;
}

#[tokio::test]
async fn a_job_says_what_it_waits_for() {
    let rig = Rig::new().await;
    rig.client.pause_queue("gates").await.unwrap();
    let new = |id: &str| SubmitRequest {
        id: Some(id.parse().unwrap()),
        ..request("test.gate", json!({}))
    };
    let jobs = [
        new("paused"),
        SubmitRequest {
            held: true,
            ..new("held")
        },
        SubmitRequest {
            run_at: Some(Timestamp::now() + std::time::Duration::from_hours(1)),
            ..new("later")
        },
        SubmitRequest {
            queue: Some("nobody's".to_owned()),
            ..new("elsewhere")
        },
    ];
    rig.client.submit_many(&jobs).await.unwrap();
    let page = list(&rig, &[]).await;
    for (id, expected) in [
        ("paused", WaitingFor::Resume),
        ("held", WaitingFor::Start),
        ("later", WaitingFor::Time),
        ("elsewhere", WaitingFor::Slot),
    ] {
        let listed = page.jobs.iter().find(|job| job.job_id.as_str() == id);
        assert_eq!(listed.unwrap().waiting_for, Some(expected), "{id}");
        let job = rig.client.job(&id.parse().unwrap()).await.unwrap();
        assert_eq!(job.waiting_for, Some(expected), "{id}");
        let says = job.message.contains("paused");
        assert_eq!(says, expected == WaitingFor::Resume, "{}", job.message);
    }
    let queues = rig.client.queues().await.unwrap();
    let gates = queues.iter().find(|queue| queue.name == "gates").unwrap();
    let paused = rig.client.job(&"paused".parse().unwrap()).await.unwrap();
    assert_eq!(gates.waiting_since, paused.run_at);
    rig.client.resume_queue("gates").await.unwrap();
    rig.until(&paused.job_id, State::Running).await;
    let running = rig.client.job(&paused.job_id).await.unwrap();
    assert_eq!(running.waiting_for, None);
    rig.stop().await;
}

#[tokio::test]
async fn an_estimate_comes_from_the_jobs_before_and_is_absent_without() {
    let rig = Rig::new().await;
    let submit = async |kind| rig.client.submit(&request(kind, json!({}))).await.unwrap();
    for _ in 0..5 {
        let answer = submit("test.echo").await;
        assert_eq!(answer.estimated_completion_time, None, "too few have ended");
        rig.until(&answer.job_id, State::Completed).await;
    }
    let now = Timestamp::now();
    let estimate = submit("test.echo").await.estimated_completion_time;
    let estimate = estimate.expect("five have ended");
    assert!(estimate >= now && estimate.since(now).as_secs() < 60);
    assert_eq!(submit("test.lines").await.estimated_completion_time, None);
    let held = SubmitRequest {
        held: true,
        ..request("test.echo", json!({}))
    };
    let held = rig.client.submit(&held).await.unwrap();
    assert_eq!(
        held.estimated_completion_time, None,
        "nobody knows when it is started"
    );
    let in_a_year = Timestamp::now() + std::time::Duration::from_hours(8760);
    let later = SubmitRequest {
        run_at: Some(in_a_year),
        ..request("test.echo", json!({}))
    };
    let later = rig.client.submit(&later).await.unwrap();
    assert!(later.estimated_completion_time.unwrap() >= in_a_year);
    rig.client.pause_queue("default").await.unwrap();
    assert_eq!(submit("test.echo").await.estimated_completion_time, None);
    rig.stop().await;
}

#[tokio::test]
async fn failures_are_grouped_and_lead_to_their_jobs() {
    let rig = Rig::new().await;
    let mut failed = Vec::new();
    for _ in 0..2 {
        let id = rig.submit("test.echo", json!({"fail": "told to"})).await;
        rig.until(&id, State::Failed).await;
        failed.push(id);
    }
    let page = rig.client.failures().await.unwrap();
    assert!(!page.more);
    let [group] = &page.failures[..] else {
        panic!("one group, not {page:?}")
    };
    assert_eq!(
        (group.kind.as_str(), group.error_code.as_str()),
        ("test.echo", "told_to")
    );
    assert_eq!((group.total, group.total_is), (2, TotalIs::Exact));
    assert_eq!(group.newest.job_id, failed[1]);
    let query = |words: &str| JobsQuery {
        q: Some(words.to_owned()),
        ..JobsQuery::default()
    };
    let shown = rig
        .client
        .jobs(&query("error:told_to kind:test.echo"))
        .await
        .unwrap();
    assert_eq!((shown.total, shown.total_is), (2, TotalIs::Exact));
    let none = rig.client.jobs(&query("error:other")).await.unwrap();
    assert_eq!((none.total, none.jobs.len()), (0, 0));
    rig.stop().await;
}
