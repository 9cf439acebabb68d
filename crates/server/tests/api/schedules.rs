//! Schedules over HTTP.

use std::{sync::Arc, time::Duration};

use longhaul::{
    testing::TestClock,
    types::{
        ErrorCode, State,
        schedule::{Missed, Overlap, ScheduleRequest},
    },
};
use longhaul_client::Error;
use longhaul_server::StopReason;
use reqwest::StatusCode;
use serde_json::{Value, json};

use crate::support::{Rig, within};

fn nightly() -> ScheduleRequest {
    ScheduleRequest {
        cron: Some("30 2 * * *".to_owned()),
        zone: Some("Europe/Berlin".to_owned()),
        kind: "test.echo".to_owned(),
        args: json!({"a": 1}),
        ..ScheduleRequest::default()
    }
}

fn code<T: std::fmt::Debug>(answer: Result<T, Error>) -> ErrorCode {
    match answer {
        Err(Error::Refused(problem)) => problem.code,
        other => panic!("refused, not {other:?}"),
    }
}

#[tokio::test]
async fn a_schedule_is_put_shown_paused_run_and_removed() {
    let rig = Rig::new().await;
    let client = &rig.client;
    let whole = ScheduleRequest {
        end: Some("2099-01-01T00:00:00Z".parse().unwrap()),
        missed: Missed::All,
        missed_window: Some(3600.0),
        missed_limit: Some(3),
        overlap: Overlap::Skip,
        priority: Some(2),
        labels: [("team".to_owned(), "a".to_owned())].into(),
        max_attempts: Some(4),
        timeout: Some(1.5),
        ..nightly()
    };
    let put = client.put_schedule("every night/ü", &whole).await.unwrap();
    assert_eq!(put.schedule, whole);
    assert_eq!(put.name, "every night/ü");
    assert_eq!(put.next_times.len(), 5);
    assert!(
        put.next_times
            .is_sorted_by(|earlier, later| earlier < later)
    );
    assert!(!put.paused && put.last_job_id.is_none());
    assert_eq!(client.schedule("every night/ü").await.unwrap(), put);
    let again = client.put_schedule("every night/ü", &whole).await.unwrap();
    assert_eq!(again, put, "the same once more changes nothing");

    let paused = client.pause_schedule("every night/ü").await.unwrap();
    assert!(paused.paused && paused.next_times.is_empty());
    let run = client.run_schedule("every night/ü").await.unwrap();
    assert_eq!(run.status, "accepted");
    rig.until(&run.job_id, State::Completed).await;
    let job = client.job(&run.job_id).await.unwrap();
    assert_eq!(job.args, Some(json!({"a": 1})));
    assert_eq!((job.priority, job.max_attempts), (2, 4));
    assert_eq!(job.labels["schedule"], "every night/ü");
    assert_eq!(job.labels["team"], "a");
    let now = client.schedule("every night/ü").await.unwrap();
    assert_eq!(now.last_job_id, Some(run.job_id));
    assert_eq!((now.submitted, now.missed, now.skipped), (1, 0, 0));

    let resumed = client.resume_schedule("every night/ü").await.unwrap();
    assert_eq!(resumed.next_times, put.next_times);
    client.remove_schedule("every night/ü").await.unwrap();
    assert_eq!(
        code(client.schedule("every night/ü").await),
        ErrorCode::UnknownSchedule
    );
    rig.stop().await;
}

#[tokio::test]
async fn a_schedule_submits_by_itself() {
    let rig = Rig::new().await;
    let often = ScheduleRequest {
        cron: None,
        zone: None,
        every: Some(1.0),
        ..nightly()
    };
    let mut events = rig
        .client
        .events(&longhaul::types::event::EventFilter::default())
        .await
        .unwrap();
    rig.client.put_schedule("often", &often).await.unwrap();
    within(async {
        while rig.client.schedule("often").await.unwrap().submitted < 2 {
            events.next().await.unwrap().expect("the stream goes on");
        }
    })
    .await;
    rig.stop().await;
}

#[tokio::test]
async fn schedules_are_listed_in_pages() {
    let rig = Rig::new().await;
    for n in 0..105 {
        let name = format!("s:{n:03}");
        rig.client.put_schedule(&name, &nightly()).await.unwrap();
    }
    let first = rig.client.schedules(None).await.unwrap();
    assert_eq!(first.schedules.len(), 100);
    assert_eq!(first.schedules[99].name, "s:099");
    let next = first.next_cursor.as_deref();
    assert!(next.is_some());
    let last = rig.client.schedules(next).await.unwrap();
    let names: Vec<&str> = last.schedules.iter().map(|one| one.name.as_str()).collect();
    assert_eq!(names, ["s:100", "s:101", "s:102", "s:103", "s:104"]);
    assert_eq!(last.next_cursor, None);
    for bad in ["x", "5", "5:abc", ":", "1:ü"] {
        let refused = rig.client.schedules(Some(bad)).await;
        assert_eq!(code(refused), ErrorCode::BadRequest, "{bad}");
    }
    rig.stop().await;
}

#[tokio::test]
async fn schedules_that_do_not_fit_are_refused_with_what_to_do() {
    let rig = Rig::new().await;
    let put = async |change: Value| {
        let mut body = json!({"cron": "30 2 * * *", "kind": "test.echo", "args": {}});
        body.as_object_mut()
            .unwrap()
            .extend(change.as_object().unwrap().clone());
        let put = rig
            .bare()
            .put("http://localhost/api/v1/schedules/s")
            .json(&body);
        let answer = put.send().await.unwrap();
        let status = answer.status();
        let problem: Value = within(answer.json()).await.unwrap();
        let text = |name: &str| problem[name].as_str().unwrap().to_owned();
        (status, text("code"), text("detail"))
    };
    for (change, code, what) in [
        (
            json!({"cron": "60 * * * *"}),
            "invalid_schedule",
            "is no cron expression",
        ),
        (
            json!({"cron": "0 0 30 2 *"}),
            "invalid_schedule",
            "no day has such a time",
        ),
        (
            json!({"zone": "Mars/Base"}),
            "invalid_schedule",
            "IANA name",
        ),
        (
            json!({"end": "2020-01-01T00:00:00Z"}),
            "invalid_schedule",
            "before its end",
        ),
        (
            json!({"cron": null, "every": 0.01}),
            "invalid_schedule",
            "1 second",
        ),
        (
            json!({"missed": "all", "missedLimit": 0}),
            "invalid_schedule",
            "1 to 1000",
        ),
        (json!({"every": 60}), "bad_request", "cron or every"),
        (json!({"cron": null}), "bad_request", "cron or every"),
        (
            json!({"cron": null, "every": 60, "zone": "UTC"}),
            "bad_request",
            "every knows none",
        ),
        (json!({"missed": "never"}), "bad_request", "never"),
        (json!({"corn": "x"}), "bad_request", "corn"),
        (json!({"missedWindow": -1}), "bad_request", "missedWindow"),
        (json!({"maxAttempts": 0}), "bad_request", "maxAttempts"),
        (
            json!({"kind": "test.gate", "args": {"x": 1}}),
            "invalid_args",
            "test.gate",
        ),
        (json!({"kind": "test.none"}), "unknown_kind", "test.none"),
    ] {
        let (status, got, detail) = put(change.clone()).await;
        assert_eq!(got, code, "{change}: {detail}");
        assert!(
            status.is_client_error() && detail.contains(what),
            "{change}: {detail}"
        );
    }
    assert_eq!(rig.client.schedules(None).await.unwrap().schedules, []);
    let bad = rig.bare().get("http://localhost/api/v1/schedules?page=2");
    assert_eq!(bad.send().await.unwrap().status(), StatusCode::BAD_REQUEST);
    for refused in [
        rig.client.pause_schedule("none").await.map(drop),
        rig.client.resume_schedule("none").await.map(drop),
        rig.client.remove_schedule("none").await.map(drop),
        rig.client.run_schedule("none").await.map(drop),
    ] {
        assert_eq!(code(refused), ErrorCode::UnknownSchedule);
    }
    rig.stop().await;
}

#[tokio::test]
async fn what_is_local_is_not_scheduled_over_tcp() {
    let rig = Rig::tcp().await;
    let gate = ScheduleRequest {
        kind: "test.gate".to_owned(),
        args: json!({}),
        ..nightly()
    };
    let refused = rig.far().put_schedule("gate", &gate).await;
    assert_eq!(code(refused), ErrorCode::Forbidden);
    rig.client.put_schedule("gate", &gate).await.unwrap();
    rig.far().put_schedule("echo", &nightly()).await.unwrap();
    rig.stop().await;
}

#[tokio::test]
async fn a_schedule_keeps_a_server_that_nobody_else_needs_until_it_is_paused() {
    let clock = TestClock::default();
    let rig = Rig::with(|options| {
        options
            .clock(Arc::new(clock.clone()))
            .stop_when_idle(Some(Duration::from_mins(1)))
    })
    .await;
    let tick = async || {
        clock.advance(Duration::from_secs(5));
        for _ in 0..10 {
            tokio::task::yield_now().await;
        }
    };
    rig.client.put_schedule("s", &nightly()).await.unwrap();
    drop(rig.client);
    for _ in 0..60 {
        tick().await;
    }
    rig.engine.pause_schedule(None, "s").await.unwrap();
    let wait = tokio::spawn(rig.handle.wait());
    assert!(!wait.is_finished());
    let reason = within(async {
        while !wait.is_finished() {
            tick().await;
        }
        wait.await.unwrap()
    })
    .await;
    assert_eq!(reason, StopReason::Idle);
    rig.engine.shutdown().await;
}
