//! Live events by SSE.

use std::time::Duration;

use longhaul::types::{EventKind, JobId, State, event::EventFilter};
use longhaul_client::{Events, Heard, Update};
use longhaul_server::{Options, Server};
use serde_json::json;

use crate::{
    raw,
    support::{Rig, request, within},
};

async fn next(events: &mut Events) -> Option<EventKind> {
    match within(events.next()).await.unwrap()? {
        Heard::Event(event) => Some(event.event),
        Heard::Missed => panic!("nothing is missed here"),
    }
}

#[tokio::test]
async fn a_stream_begins_with_where_the_job_stands_and_ends_after_its_end() {
    let rig = Rig::new().await;
    let id = rig.submit("test.gate", json!({})).await;
    rig.until(&id, State::Running).await;
    let mut events = rig.client.job_events(&id).await.unwrap();
    assert!(matches!(
        next(&mut events).await,
        Some(EventKind::Progress { .. })
    ));
    let state = State::Running;
    assert_eq!(next(&mut events).await, Some(EventKind::State { state }));
    rig.gate.send_replace(2);
    let mut last = None;
    while let Some(event) = next(&mut events).await {
        last = Some(event);
    }
    let state = State::Completed;
    assert_eq!(last, Some(EventKind::State { state }));

    // A stream for a job that has ended says so and ends.
    let mut events = rig.client.job_events(&id).await.unwrap();
    next(&mut events).await;
    assert_eq!(next(&mut events).await, Some(EventKind::State { state }));
    assert_eq!(next(&mut events).await, None);
    rig.stop().await;
}

#[tokio::test]
async fn cancel_and_removal_are_told() {
    let rig = Rig::new().await;
    let held = longhaul::types::body::SubmitRequest {
        held: true,
        ..request("test.echo", json!({}))
    };
    let id = rig.client.submit(&held).await.unwrap().job_id;
    let mut all = rig.client.events(&EventFilter::default()).await.unwrap();
    rig.client.cancel(&id).await.unwrap();
    rig.client.remove(&id).await.unwrap();
    let state = State::Cancelled;
    assert_eq!(next(&mut all).await, Some(EventKind::State { state }));
    assert_eq!(next(&mut all).await, Some(EventKind::Removed));
    rig.stop().await;
}

#[tokio::test]
async fn all_events_come_by_kind() {
    let rig = Rig::new().await;
    let filter = EventFilter {
        kinds: vec!["test.gate".to_owned()],
        ..EventFilter::default()
    };
    let mut gates = rig.client.events(&filter).await.unwrap();
    let echo = rig.submit("test.echo", json!({})).await;
    within(rig.client.wait(&echo)).await.unwrap();
    let gate = rig.submit("test.gate", json!({})).await;
    let Some(Heard::Event(event)) = within(gates.next()).await.unwrap() else {
        panic!("an event comes");
    };
    assert_eq!(event.job_id, gate);
    assert_eq!(event.kind, "test.gate");
    rig.stop().await;
}

#[tokio::test]
async fn whoever_does_not_read_misses_some_and_is_told() {
    let rig = Rig::new().await;
    let mut all = rig.client.events(&EventFilter::default()).await.unwrap();
    let id = rig.submit("test.gate", json!({})).await;
    rig.until(&id, State::Running).await;
    let mut follow = rig.client.follow(&id);
    let mut one = rig.client.job_events(&id).await.unwrap();
    within(follow.next()).await.unwrap();
    // The server has one thread here, and no stream goes on while these are sent.
    let many = (0..6000)
        .map(|_| longhaul::NewJob::raw("test.echo", "{}").start(longhaul::model::Start::Held));
    rig.engine.submit_many(many.collect()).await.unwrap();

    let mut events = 0;
    while within(all.next()).await.unwrap().unwrap() != Heard::Missed {
        events += 1;
    }
    assert!(events < 6000, "{events} came before the gap was told");
    // Who follows another job has missed nothing: `next` would say so.
    assert!(matches!(
        next(&mut one).await,
        Some(EventKind::Progress { .. })
    ));
    let state = State::Running;
    assert_eq!(next(&mut one).await, Some(EventKind::State { state }));
    rig.gate.send_replace(2);
    let mut last = None;
    while let Some(event) = next(&mut one).await {
        last = Some(event);
    }
    let state = State::Completed;
    assert_eq!(last, Some(EventKind::State { state }));
    let mut last = None;
    while let Some(update) = within(follow.next()).await.unwrap() {
        if let Update::Job(job) = update {
            last = Some(job.state);
        }
    }
    assert_eq!(last, Some(State::Completed));
    // Streams that nobody reads would be given their grace.
    drop((all, one, follow));
    rig.stop().await;
}

#[tokio::test]
async fn who_is_behind_with_a_job_is_told_where_it_stands() {
    let rig = Rig::new().await;
    let id = rig.submit("test.gate", json!({})).await;
    rig.until(&id, State::Running).await;
    let mut one = rig.client.job_events(&id).await.unwrap();
    // The server has one thread here, and the stream does not go on while these are sent.
    for _ in 0..600 {
        rig.engine.cancel(None, &id).await.unwrap();
    }
    let (mut missed, mut last) = (false, None);
    while let Some(heard) = within(one.next()).await.unwrap() {
        match heard {
            Heard::Missed => missed = true,
            Heard::Event(event) => last = Some(event.event),
        }
    }
    assert!(missed);
    let state = State::Cancelled;
    assert_eq!(last, Some(EventKind::State { state }));
    rig.stop().await;
}

/// What a request for events is answered with: the names of the events, until `last` has come.
async fn names(response: &mut reqwest::Response, last: &str) -> Vec<String> {
    let mut text = String::new();
    while !text.contains(last) {
        let chunk = within(response.chunk()).await.unwrap().expect("more comes");
        text.push_str(std::str::from_utf8(&chunk).unwrap());
    }
    let lines = text.lines().filter_map(|line| line.strip_prefix("event: "));
    lines.map(str::to_owned).collect()
}

#[tokio::test]
async fn all_events_come_by_every_filter() {
    let rig = Rig::new().await;
    let get = async |query: &str| {
        let url = format!("http://localhost/api/v1/events?{query}");
        rig.bare().get(url).send().await.unwrap()
    };
    let mut by_label = get("label.service=x").await;
    let mut by_event = get("event=log&event=removed&kind=test.*").await;
    let mut by_state = get("state=completed&state=failed").await;
    let mut by_job = get("job=second").await;
    for (id, service) in [("first", "y"), ("second", "x")] {
        let submit = longhaul::types::body::SubmitRequest {
            id: Some(id.parse().unwrap()),
            labels: [("service".to_owned(), service.to_owned())].into(),
            ..request("test.echo", json!({}))
        };
        let id = rig.client.submit(&submit).await.unwrap().job_id;
        within(rig.client.wait(&id)).await.unwrap();
        rig.client.remove(&id).await.unwrap();
    }
    let whole = ["state", "state", "log", "state", "removed"];
    let last = |name: &str| format!("event: {name}");
    assert_eq!(names(&mut by_label, &last("removed")).await, whole);
    assert_eq!(names(&mut by_job, &last("removed")).await, whole);
    let logs = names(&mut by_event, "second").await;
    assert_eq!(logs[..3], ["log", "removed", "log"]);
    let states = names(&mut by_state, "\"jobId\":\"second\"").await;
    assert_eq!(states, ["state", "state"]);
    drop((by_label, by_event, by_state, by_job));
    for query in ["event=ended", "state=done", "kinds=a", "job="] {
        assert_eq!(get(query).await.status(), 400, "{query}");
    }
    rig.stop().await;
}

#[tokio::test]
async fn who_has_seen_the_end_is_told_not_to_come_again() {
    let rig = Rig::new().await;
    let id = rig.submit("test.echo", json!({})).await;
    let ended = within(rig.client.wait(&id)).await.unwrap();
    let get = async |last: u64| {
        let url = format!("http://localhost/api/v1/jobs/{id}/events");
        let get = rig.bare().get(url).header("last-event-id", last);
        get.send().await.unwrap().status()
    };
    assert_eq!(get(ended.revision).await, 204);
    assert_eq!(get(ended.revision - 1).await, 200);
    rig.stop().await;
}

#[tokio::test]
async fn who_was_here_before_is_told_to_read_again() {
    let rig = Rig::new().await;
    let get = rig
        .bare()
        .get("http://localhost/api/v1/events")
        .header("last-event-id", "7");
    let mut response = get.send().await.unwrap();
    assert_eq!(response.headers()["content-type"], "text/event-stream");
    assert_eq!(response.headers()["x-accel-buffering"], "no");
    let first = within(response.chunk()).await.unwrap().unwrap();
    let retry = String::from_utf8_lossy(&first).into_owned();
    let retry = retry
        .strip_prefix("retry: ")
        .and_then(|text| text.strip_suffix("\n\n"));
    let retry: u32 = retry.unwrap().parse().unwrap();
    assert!((1000..3000).contains(&retry), "{retry}");
    let second = within(response.chunk()).await.unwrap().unwrap();
    assert_eq!(second, "event: missed\ndata: {}\n\n");
    rig.stop().await;
}

#[tokio::test]
async fn a_quiet_stream_has_a_heartbeat() {
    let rig = Rig::with(|options| options.heartbeat(Duration::from_millis(20))).await;
    let get = rig.bare().get("http://localhost/api/v1/events");
    let mut response = get.send().await.unwrap();
    within(response.chunk()).await.unwrap().unwrap();
    for _ in 0..2 {
        let beat = within(response.chunk()).await.unwrap().unwrap();
        assert_eq!(beat, ":\n\n");
    }
    rig.stop().await;
}

#[tokio::test]
async fn what_another_process_does_to_a_job_is_seen_all_the_same() {
    let rig = Rig::with(|options| options.heartbeat(Duration::from_millis(20))).await;
    let held = longhaul::NewJob::raw("test.echo", "{}").start(longhaul::model::Start::Held);
    let id: JobId = rig.engine.submit_job(held).await.unwrap().id().clone();
    let mut events = rig.client.job_events(&id).await.unwrap();
    next(&mut events).await;
    next(&mut events).await;
    // Past the engine, as another process would: no event tells.
    let now = longhaul::types::Timestamp::now();
    let cancel = longhaul::store::Request::Cancel;
    let store = rig.engine.store();
    store.ask(cancel, None, vec![id], now).await.unwrap();
    assert!(matches!(
        next(&mut events).await,
        Some(EventKind::Progress { .. })
    ));
    let state = State::Cancelled;
    assert_eq!(next(&mut events).await, Some(EventKind::State { state }));
    assert_eq!(next(&mut events).await, None);
    rig.stop().await;
}

#[tokio::test]
async fn a_follower_bears_with_a_server_that_is_replaced() {
    let rig = Rig::new().await;
    let id = rig.submit("test.gate", json!({})).await;
    rig.until(&id, State::Running).await;
    let mut follow = rig.client.follow(&id);
    assert!(matches!(
        within(follow.next()).await.unwrap(),
        Some(Update::Job(_))
    ));
    let socket = rig.handle.socket().unwrap().to_owned();
    rig.handle.stop();
    within(rig.handle.wait()).await;
    let options = Options::new("1.2.4", "b8").socket(&socket);
    let next = Server::bind(rig.engine.clone(), options)
        .await
        .unwrap()
        .start();
    rig.gate.send_replace(2);
    let mut last = None;
    while let Some(update) = within(follow.next()).await.unwrap() {
        if let Update::Job(job) = update {
            last = Some(job.state);
        }
    }
    assert_eq!(last, Some(State::Completed));
    next.stop();
    within(next.wait()).await;
    rig.engine.shutdown().await;
}

#[tokio::test]
async fn a_follower_does_not_wait_for_ever() {
    let rig = Rig::new().await;
    let id = rig.submit("test.gate", json!({})).await;
    let mut follow = rig.client.follow(&id).patience(Duration::from_millis(60));
    within(follow.next()).await.unwrap();
    rig.handle.stop();
    within(rig.handle.wait()).await;
    let error = within(async {
        loop {
            if let Err(error) = follow.next().await {
                return error;
            }
        }
    })
    .await;
    assert!(error.is_unavailable(), "{error:?}");
    rig.engine.shutdown().await;
}

#[tokio::test]
async fn a_stop_ends_streams_also_of_who_does_not_read() {
    let rig = Rig::with(|options| options.grace(Duration::from_millis(100))).await;
    let deaf = raw::unix(&rig, "GET /api/v1/events HTTP/1.1\r\nHost: x\r\n\r\n").await;
    let mut events = rig.client.events(&EventFilter::default()).await.unwrap();
    let many = (0..6000)
        .map(|_| longhaul::NewJob::raw("test.echo", "{}").start(longhaul::model::Start::Held));
    rig.engine.submit_many(many.collect()).await.unwrap();
    rig.handle.stop();
    within(rig.handle.wait()).await;
    while let Ok(Some(_)) = within(events.next()).await {}
    drop(deaf);
    rig.engine.shutdown().await;
}
