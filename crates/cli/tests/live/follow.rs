//! A client follows a job: to its end, over a restart of the server, without being let in, without reading.

use longhaul::types::State;
use longhaul_client::Client;
use longhaul_types::body::SubmitRequest;
use rustix::process::Signal;

use super::{
    Heard, Rig, bodies,
    support::{block_on, eventually},
};

/// The revisions that came under these names, in order.
fn revisions(heard: &Heard, prefix: &str) -> Vec<u64> {
    let of_job = heard.iter().filter(|(name, _)| name.starts_with(prefix));
    of_job
        .filter_map(|(_, body)| body["revision"].as_u64())
        .collect()
}

fn follows_by_socket(transport: &[&str]) {
    let rig = Rig::new();
    let id = rig.job();
    let (url, token) = (rig.url(), rig.token());
    let mut args = vec![url.as_str(), token.to_str().unwrap(), "--follow", &id];
    args.extend(transport);
    let node = rig.node("socket.mjs", &args);
    node.hears("answer", 1);
    rig.let_go();
    let (code, heard) = node.end();
    assert_eq!(code, Some(0));
    assert_eq!(bodies(&heard, "answer")[0]["state"], "running");
    assert_eq!(
        bodies(&heard, "job:progress").last().unwrap()["progress"]["percentage"],
        90
    );
    let lines = &bodies(&heard, "job:log")[0]["lines"];
    assert!(lines.to_string().contains("90%"), "{lines}");
    assert_eq!(
        bodies(&heard, "job:state").last().unwrap()["state"],
        "completed"
    );
    assert!(revisions(&heard, "job:").is_sorted());
    assert!(bodies(&heard, "missed").is_empty());
}

#[test]
fn a_socket_follows_a_job_to_its_end() {
    // From polling to a WebSocket, as the client does unless it is told otherwise.
    follows_by_socket(&[]);
}

#[test]
fn a_socket_that_polls_follows_a_job_to_its_end() {
    follows_by_socket(&["--transport", "polling"]);
}

#[test]
fn an_event_source_follows_a_job_to_its_end_and_does_not_come_again() {
    let rig = Rig::new();
    let id = rig.job();
    let node = rig.node(
        "sse.mjs",
        &[&rig.url(), rig.token().to_str().unwrap(), &id, "--stay"],
    );
    node.hears("state", 1);
    rig.let_go();
    let (code, heard) = node.end();
    assert_eq!(code, Some(0));
    let last = bodies(&heard, "state");
    let last = last.last().unwrap();
    assert_eq!(last["state"], "completed");
    assert_eq!(last["lastEventId"], last["revision"].to_string());
    assert_eq!(bodies(&heard, "error").last().unwrap()["closed"], true);
}

#[test]
fn clients_bear_with_a_server_that_is_killed() {
    let mut rig = Rig::new();
    let id = rig.job();
    let (url, token) = (rig.url(), rig.token());
    let token = token.to_str().unwrap();
    let socket = rig.node("socket.mjs", &[&url, token, "--follow", &id, "--all", "{}"]);
    let stream = rig.node("sse.mjs", &[&url, token, &id]);
    socket.hears("answer", 2);
    stream.hears("state", 1);
    let server = rig.server.take().unwrap();
    server.signal(Signal::KILL);
    server.done();
    rig.start();
    socket.hears("answer", 4);
    stream.hears("open", 2);
    rig.let_go();
    for (node, prefix) in [(socket, "job:"), (stream, "")] {
        let (code, heard) = node.end();
        assert_eq!(code, Some(0));
        let last = bodies(&heard, &format!("{prefix}state"));
        assert_eq!(last.last().unwrap()["state"], "completed");
        assert!(revisions(&heard, prefix).is_sorted());
    }
}

#[test]
fn clients_bear_with_a_server_that_stops() {
    let mut rig = Rig::new();
    let id = rig.job();
    let (url, token) = (rig.url(), rig.token());
    let token = token.to_str().unwrap();
    let socket = rig.node("socket.mjs", &[&url, token, "--follow", &id]);
    let stream = rig.node("sse.mjs", &[&url, token, &id]);
    socket.hears("answer", 1);
    stream.hears("state", 1);
    let server = rig.server.take().unwrap();
    server.signal(Signal::TERM);
    // Open streams and sockets do not hold it up.
    assert_eq!(server.done().code, Some(0));
    rig.start();
    socket.hears("answer", 2);
    rig.let_go();
    let (code, heard) = socket.end();
    assert_eq!(code, Some(0));
    assert_eq!(bodies(&heard, "disconnect")[0], "transport close");
    assert_eq!(stream.end().0, Some(0));
}

#[test]
fn who_shows_no_token_or_a_wrong_one_is_refused() {
    let rig = Rig::new();
    let id = rig.job();
    let wrong = rig.lab.write("wrong", "0123456789abcdef0123456789abcdef");
    let wrong = wrong.to_str().unwrap();
    let (code, heard) = rig
        .node("socket.mjs", &[&rig.url(), wrong, "--follow", &id])
        .end();
    assert_eq!(code, Some(1));
    let refused = bodies(&heard, "connect_error")[0].as_str().unwrap();
    assert!(refused.starts_with("unauthorised: "), "{refused}");
    let (code, heard) = rig.node("socket.mjs", &[&rig.url()]).end();
    assert_eq!(code, Some(1));
    assert!(
        heard.iter().all(|(name, _)| name == "connect_error"),
        "{heard:?}"
    );
    let (code, heard) = rig.node("sse.mjs", &[&rig.url(), wrong, &id]).end();
    assert_eq!(code, Some(1));
    assert_eq!(heard[0].1["code"], 401);
}

#[test]
fn a_socket_that_reads_slowly_is_told_and_gets_the_end() {
    let rig = Rig::new();
    let id = rig.job();
    let (go, token) = (rig.lab.path("read"), rig.token());
    let node = rig.node(
        "socket.mjs",
        &[
            &rig.url(),
            token.to_str().unwrap(),
            "--follow",
            &id,
            "--all",
            r#"{"labels":{"flood":"1"}}"#,
            "--transport",
            "websocket",
            "--pause",
            go.to_str().unwrap(),
        ],
    );
    node.hears("answer", 2);
    // More than what the systems at both ends hold for a connection.
    let client = Client::unix(rig.lab.socket()).unwrap();
    let labels = (0..20).map(|n| (format!("label-{n}"), "x".repeat(200)));
    let labels = labels
        .chain([("flood".to_owned(), "1".to_owned())])
        .collect();
    let held = SubmitRequest {
        kind: "longhaul.run".to_owned(),
        args: serde_json::json!({"command": ["/bin/true"], "folder": "/"}),
        held: true,
        labels,
        ..SubmitRequest::default()
    };
    let many = vec![held; 100];
    for _ in 0..40 {
        block_on(client.submit_many(&many)).unwrap();
    }
    rig.let_go();
    let id = id.parse().unwrap();
    eventually("the job ends", || {
        block_on(client.job(&id)).is_ok_and(|job| job.state == State::Completed)
    });
    rig.lab.write("read", "");
    let (code, heard) = node.end();
    assert_eq!(code, Some(0));
    assert!(!bodies(&heard, "missed").is_empty());
    let states = bodies(&heard, "job:state");
    assert_eq!(states.last().unwrap()["state"], "completed");
    assert!(states.len() < 4000, "{} came", states.len());
}
