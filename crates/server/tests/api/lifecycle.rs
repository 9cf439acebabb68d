//! How a server ends: asked, told, or needed by nobody.

use std::{io::Write, os::unix::net::UnixStream, sync::Arc, time::Duration};

use longhaul::{NewJob, model::Start, testing::TestClock, types::body::SubmitRequest};
use longhaul_client::Client;
use longhaul_server::StopReason;
use serde_json::json;

use crate::{
    raw,
    support::{Rig, request, within},
};

#[tokio::test]
async fn a_server_stops_when_asked_and_its_socket_goes() {
    let rig = Rig::new().await;
    let socket = rig.handle.socket().unwrap().to_owned();
    let id = rig.submit("test.gate", json!({})).await;
    let answer = rig.client.stop_server().await.unwrap();
    assert_eq!(answer.status, "stopping");
    assert_eq!(within(rig.handle.wait()).await, StopReason::Asked);
    assert!(!socket.exists());
    assert!(rig.client.live().await.unwrap_err().is_unavailable());
    within(rig.engine.shutdown()).await;
    // The run was given back, nothing is lost.
    let job = rig.engine.job(None, &id).await.unwrap();
    assert!(!job.state().is_ended());
}

/// A server that stops after a minute, and the clock that says how long that is.
async fn impatient() -> (Rig, TestClock) {
    let clock = TestClock::default();
    let rig = Rig::with(|options| {
        options
            .clock(Arc::new(clock.clone()))
            .stop_when_idle(Some(Duration::from_mins(1)))
    })
    .await;
    (rig, clock)
}

/// Lets time pass by five seconds, and everybody look at the clock.
async fn tick(clock: &TestClock) {
    clock.advance(Duration::from_secs(5));
    for _ in 0..10 {
        tokio::task::yield_now().await;
    }
}

#[tokio::test]
async fn a_server_that_nobody_needs_stops_after_a_minute() {
    let (rig, clock) = impatient().await;
    let stopper = rig.handle.stopper();
    let wait = tokio::spawn(rig.handle.wait());
    // A tick late at most: twelve are a minute, one began it.
    for _ in 0..11 {
        tick(&clock).await;
    }
    assert!(!wait.is_finished());
    let reason = within(async {
        while !wait.is_finished() {
            tick(&clock).await;
        }
        wait.await.unwrap()
    })
    .await;
    assert_eq!(reason, StopReason::Idle);
    stopper.stop();
    rig.engine.shutdown().await;
}

#[tokio::test]
async fn a_client_keeps_the_server() {
    let (rig, clock) = impatient().await;
    let mut events = rig
        .client
        .events(&longhaul::types::event::EventFilter::default())
        .await
        .unwrap();
    for _ in 0..40 {
        tick(&clock).await;
    }
    rig.client.live().await.unwrap();
    drop(rig.client);
    let reason = within(async {
        let end = async { while let Ok(Some(_)) = events.next().await {} };
        // Still listening: minutes go by and nothing ends.
        tokio::select! {
            () = end => panic!("the stream ended under a listener"),
            () = async { for _ in 0..40 { tick(&clock).await } } => {}
        }
        drop(events);
        let wait = tokio::spawn(rig.handle.wait());
        while !wait.is_finished() {
            tick(&clock).await;
        }
        wait.await.unwrap()
    })
    .await;
    assert_eq!(reason, StopReason::Idle);
    rig.engine.shutdown().await;
}

#[tokio::test]
async fn a_held_job_keeps_the_server_and_a_running_one_too() {
    let (rig, clock) = impatient().await;
    let socket = rig.handle.socket().unwrap().to_owned();
    let held = SubmitRequest {
        held: true,
        ..request("test.gate", json!({}))
    };
    let id = rig.client.submit(&held).await.unwrap().job_id;
    drop(rig.client);
    for _ in 0..40 {
        tick(&clock).await;
    }
    let client = Client::unix(&socket).unwrap();
    client.start(&id).await.unwrap();
    drop(client);
    for _ in 0..40 {
        tick(&clock).await;
    }
    let client = Client::unix(&socket).unwrap();
    rig.gate.send_replace(2);
    within(client.wait(&id)).await.unwrap();
    drop(client);
    let wait = tokio::spawn(rig.handle.wait());
    let reason = within(async {
        while !wait.is_finished() {
            tick(&clock).await;
        }
        wait.await.unwrap()
    })
    .await;
    assert_eq!(reason, StopReason::Idle);
    assert!(!socket.exists());
    rig.engine.shutdown().await;
}

#[tokio::test]
async fn who_has_connected_is_told_that_the_server_stops() {
    let rig = Rig::new().await;
    // One thread, and nothing waits: the server sees the connection only after the stop.
    let mut connected = UnixStream::connect(rig.handle.socket().unwrap()).unwrap();
    let request = b"POST /api/v1/jobs HTTP/1.1\r\nHost: x\r\n\r\n";
    connected.write_all(request).unwrap();
    rig.handle.stop();
    connected.set_nonblocking(true).unwrap();
    let mut connected = tokio::net::UnixStream::from_std(connected).unwrap();
    let answer = raw::rest(&mut connected).await;
    assert!(answer.starts_with("HTTP/1.1 503"), "{answer}");
    assert!(answer.contains("retry-after: 1"), "{answer}");
    assert!(answer.contains("unavailable"), "{answer}");
    within(rig.handle.wait()).await;
    rig.engine.shutdown().await;
}

#[tokio::test]
async fn a_client_that_never_reads_is_given_up() {
    let rig = Rig::with(|options| options.stall_time(Duration::from_millis(50))).await;
    let deaf = raw::unix(&rig, "GET /api/v1/events HTTP/1.1\r\nHost: x\r\n\r\n").await;
    within(async {
        while rig.handle.connections() == 0 {
            tokio::task::yield_now().await;
        }
        // More than the system and the server hold back for it.
        while rig.handle.connections() > 0 {
            let many = (0..1000).map(|_| NewJob::raw("test.echo", "{}").start(Start::Held));
            rig.engine.submit_many(many.collect()).await.unwrap();
            tokio::task::yield_now().await;
        }
    })
    .await;
    drop(deaf);
    rig.stop().await;
}

#[tokio::test]
async fn no_more_connections_than_there_may_be() {
    let rig = Rig::with(|options| options.connections(2)).await;
    let first = raw::unix(&rig, "").await;
    let second = raw::unix(&rig, "").await;
    let mut third = raw::unix(
        &rig,
        "GET /health/live HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n",
    )
    .await;
    within(async {
        while rig.handle.connections() < 2 {
            tokio::task::yield_now().await;
        }
    })
    .await;
    for _ in 0..100 {
        tokio::task::yield_now().await;
    }
    assert_eq!(rig.handle.connections(), 2);
    drop(first);
    let answer = raw::rest(&mut third).await;
    assert!(answer.starts_with("HTTP/1.1 200"), "{answer}");
    drop(second);
    rig.stop().await;
}
