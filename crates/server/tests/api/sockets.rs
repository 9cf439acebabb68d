//! Live events by Socket.IO.

use std::time::Duration;

use longhaul::{NewJob, model::Start, types::State};
use longhaul_server::{
    AdminToken, Guest, SocketEvents, rooms_that_see,
    socketioxide::{
        SocketIo,
        extract::{AckSender, SocketRef},
    },
};
use serde_json::{Value, json};

use crate::{
    raw,
    socketio::Socket,
    support::{Rig, TOKEN, within},
};

impl Rig {
    fn address(&self) -> String {
        self.handle.tcp().unwrap().to_string()
    }

    /// A client that shows the token.
    async fn socket(&self) -> Socket {
        let mut socket = within(Socket::open(&self.address(), &[])).await.unwrap();
        let token = json!({"token": TOKEN});
        within(socket.connect(Some(token))).await.unwrap();
        socket
    }

    /// A server that lets everybody on this machine in.
    async fn open() -> Self {
        Self::with(|options| options.tcp(([127, 0, 0, 1], 0).into()).access_open(true)).await
    }
}

async fn follow(socket: &mut Socket, id: &str) -> Value {
    within(socket.ask("job:follow", json!({"jobId": id}))).await
}

/// Events until one says `last`.
async fn until(socket: &mut Socket, last: &str) -> Vec<(String, Value)> {
    let mut events = Vec::new();
    loop {
        let event = within(socket.next()).await.expect("more comes");
        events.push(event);
        if events.last().is_some_and(|(_, body)| body["state"] == last) {
            return events;
        }
    }
}

#[tokio::test]
async fn a_client_follows_a_job_to_its_end() {
    let rig = Rig::tcp().await;
    let id = rig.submit("test.gate", json!({})).await;
    rig.until(&id, State::Running).await;
    let mut socket = rig.socket().await;
    let job = follow(&mut socket, id.as_str()).await;
    assert_eq!(job["state"], "running");
    assert_eq!(job["jobId"], id.as_str());
    let revision = job["revision"].as_u64().unwrap();
    rig.gate.send_replace(2);
    let events = until(&mut socket, "completed").await;
    let names: Vec<_> = events.iter().map(|(name, _)| name.as_str()).collect();
    assert_eq!(names.last(), Some(&"job:state"));
    for expected in ["job:progress", "job:log"] {
        assert!(names.contains(&expected), "{names:?}");
    }
    for (name, body) in &events {
        assert_eq!(body["jobId"], id.as_str());
        assert_eq!(*name, format!("job:{}", body["event"].as_str().unwrap()));
        assert!(body["revision"].as_u64().unwrap() >= revision);
    }
    // An ended job is told as it is, and not followed.
    assert_eq!(follow(&mut socket, id.as_str()).await["state"], "completed");
    rig.client.remove(&id).await.unwrap();
    let answer = follow(&mut socket, id.as_str()).await;
    assert_eq!(answer["code"], "not_found");
    rig.stop().await;
}

#[tokio::test]
async fn cancel_and_removal_are_told_and_what_is_unfollowed_is_not() {
    let rig = Rig::tcp().await;
    let mut socket = rig.socket().await;
    let mut all = rig.socket().await;
    let filter = json!({"filter": {"events": ["cancelRequested", "removed"]}});
    assert_eq!(
        within(all.ask("jobs:follow", filter)).await["success"],
        true
    );
    let id = rig.submit("test.gate", json!({})).await;
    rig.until(&id, State::Running).await;
    follow(&mut socket, id.as_str()).await;
    rig.client.cancel(&id).await.unwrap();
    let events = until(&mut socket, "cancelled").await;
    assert!(events.iter().any(|(name, _)| name == "job:cancelRequested"));
    rig.client.remove(&id).await.unwrap();
    for expected in ["job:cancelRequested", "job:removed"] {
        let (name, body) = within(all.next()).await.unwrap();
        assert_eq!(
            (name.as_str(), &body["jobId"]),
            (expected, &json!(id.as_str()))
        );
    }

    let id = rig.submit("test.gate", json!({})).await;
    rig.until(&id, State::Running).await;
    follow(&mut socket, id.as_str()).await;
    let unfollow = json!({"jobId": id.as_str()});
    let answer = within(socket.ask("job:unfollow", unfollow)).await;
    assert_eq!(answer["success"], true);
    assert_eq!(
        within(all.ask("jobs:unfollow", json!(null))).await["success"],
        true
    );
    rig.gate.send_replace(2);
    within(rig.client.wait(&id)).await.unwrap();
    let other = rig.submit("test.echo", json!({})).await;
    within(rig.client.wait(&other)).await.unwrap();
    // What follows is the first that comes.
    let filter = json!({"filter": {"kinds": ["test.lines"], "states": ["completed"]}});
    within(socket.ask("jobs:follow", filter)).await;
    let id = rig.submit("test.lines", json!({})).await;
    let (name, body) = within(socket.next()).await.unwrap();
    assert_eq!(
        (name.as_str(), &body["jobId"]),
        ("job:state", &json!(id.as_str()))
    );
    rig.stop().await;
}

#[tokio::test]
async fn a_client_shows_its_token_in_a_header_or_with_its_connection_and_never_in_the_address() {
    let rig = Rig::tcp().await;
    let address = rig.address();
    let connect = async |query: &str, headers: &[(&'static str, &str)], auth| {
        let mut socket = within(Socket::at(&address, query, headers)).await?;
        let connected = within(socket.connect(auth)).await;
        Ok::<_, u16>(connected.err().unwrap_or_default())
    };
    let bearer = format!("Bearer {TOKEN}");
    let right = ("authorization", bearer.as_str());
    assert_eq!(connect("", &[right], None).await, Ok(String::new()));
    let token = json!({"token": TOKEN});
    assert_eq!(connect("", &[], Some(token)).await, Ok(String::new()));
    for (query, auth) in [
        (String::new(), None),
        (String::new(), Some(json!({}))),
        (String::new(), Some(json!({"token": "wrong"}))),
        (format!("&token={TOKEN}"), None),
    ] {
        let refused = connect(&query, &[], auth).await.unwrap();
        assert!(refused.starts_with("unauthorised: "), "{refused}");
    }
    let refused = connect("", &[], Some(json!({"token": 7}))).await.unwrap();
    assert_eq!(refused, "bad_request: auth.token must be text");
    // A header that is wrong is not mended by what comes later.
    let wrong = ("authorization", "Bearer wrong");
    assert_eq!(connect("", &[wrong], None).await, Err(401));
    assert_eq!(
        connect("", &[right, ("origin", "http://evil.example")], None).await,
        Err(403)
    );
    assert_eq!(
        connect("", &[right, ("host", "evil.example")], None).await,
        Err(403)
    );
    rig.stop().await;
}

#[tokio::test]
async fn whoever_is_not_let_in_can_ask_for_nothing() {
    let rig = Rig::tcp().await;
    let id = rig.submit("test.gate", json!({})).await;
    let mut stranger = within(Socket::open(&rig.address(), &[])).await.unwrap();
    stranger
        .send(format!("421[\"job:follow\",{{\"jobId\":\"{id}\"}}]"))
        .await;
    assert_eq!(within(stranger.next()).await, None);
    rig.gate.send_replace(2);
    rig.stop().await;
}

#[tokio::test]
async fn open_access_is_for_this_machine_alone_and_sees_no_other_owner() {
    let rig = Rig::open().await;
    let address = rig.address();
    let mut socket = within(Socket::open(&address, &[])).await.unwrap();
    within(socket.connect(None)).await.unwrap();
    let mut job = NewJob::raw("test.echo", "{}").start(Start::Held);
    job.owner = "somebody".to_owned();
    let theirs = rig.engine.submit_job(job).await.unwrap();
    let answer = follow(&mut socket, theirs.id().as_str()).await;
    assert_eq!(answer["code"], "not_found");
    within(socket.ask("jobs:follow", json!({}))).await;
    theirs.cancel().await.unwrap();
    let own = rig.submit("test.echo", json!({})).await;
    let (_, body) = within(socket.next()).await.unwrap();
    assert_eq!(body["jobId"], own.as_str());

    let forwarded = [("x-forwarded-for", "10.0.0.7")];
    let mut socket = within(Socket::open(&address, &forwarded)).await.unwrap();
    let refused = within(socket.connect(None)).await.unwrap_err();
    assert!(refused.starts_with("forbidden: "), "{refused}");
    let wrong = Some(json!({"token": "wrong"}));
    let mut socket = within(Socket::open(&address, &[])).await.unwrap();
    let refused = within(socket.connect(wrong)).await.unwrap_err();
    assert!(refused.starts_with("unauthorised: "), "{refused}");
    drop(socket);
    rig.stop().await;
}

#[tokio::test]
async fn what_does_not_fit_is_refused_with_a_code() {
    let rig = Rig::tcp().await;
    let mut socket = rig.socket().await;
    for (event, body) in [
        ("job:follow", json!({})),
        ("job:follow", json!({"jobId": ""})),
        ("job:follow", json!({"jobId": 7})),
        ("job:follow", json!(null)),
        ("job:unfollow", json!({"job": "x"})),
        ("jobs:follow", json!({"kinds": ["x"]})),
        ("jobs:follow", json!({"filter": {"kind": "x"}})),
        ("jobs:follow", json!({"filter": {"events": ["ended"]}})),
        ("jobs:follow", json!({"filter": {"states": ["done"]}})),
    ] {
        let answer = within(socket.ask(event, body.clone())).await;
        assert_eq!(answer["code"], "bad_request", "{event} {body}");
        assert_eq!(answer["success"], false);
    }
    let unknown = follow(&mut socket, "no-such-job").await;
    assert_eq!(unknown["code"], "not_found");
    let bomb = format!("42{}", "[".repeat(40_000));
    let large = format!("42[\"job:follow\",\"{}\"]", "x".repeat(70_000));
    for message in [bomb, large] {
        let mut socket = rig.socket().await;
        socket.send(message).await;
        assert_eq!(within(socket.next()).await, None);
    }
    rig.stop().await;
}

#[tokio::test]
async fn a_client_may_follow_a_hundred_jobs() {
    let rig = Rig::tcp().await;
    let held = (0..101).map(|_| NewJob::raw("test.echo", "{}").start(Start::Held));
    let jobs = rig.engine.submit_many(held.collect()).await.unwrap();
    let mut socket = rig.socket().await;
    for job in &jobs[..100] {
        assert_eq!(
            follow(&mut socket, job.id().as_str()).await["state"],
            "pending"
        );
    }
    let refused = follow(&mut socket, jobs[100].id().as_str()).await;
    assert_eq!(refused["code"], "too_large");
    jobs[99].cancel().await.unwrap();
    until(&mut socket, "cancelled").await;
    assert_eq!(
        follow(&mut socket, jobs[100].id().as_str()).await["state"],
        "pending"
    );
    rig.stop().await;
}

#[tokio::test]
async fn a_client_that_is_behind_is_told_and_then_where_its_jobs_stand() {
    let rig = Rig::tcp().await;
    let id = rig.submit("test.gate", json!({})).await;
    rig.until(&id, State::Running).await;
    let mut socket = rig.socket().await;
    follow(&mut socket, id.as_str()).await;
    within(socket.ask("jobs:follow", json!({"filter": {"kinds": ["test.echo"]}}))).await;
    // More than any buffer on the way takes, while the client reads nothing.
    for _ in 0..20 {
        let held = (0..500).map(|_| {
            let label = "x".repeat(200);
            NewJob::raw("test.echo", "{}")
                .label("text", label)
                .start(Start::Held)
        });
        rig.engine.submit_many(held.collect()).await.unwrap();
    }
    rig.gate.send_replace(2);
    within(rig.client.wait(&id)).await.unwrap();
    let events = until(&mut socket, "completed").await;
    assert!(
        events
            .iter()
            .any(|(name, body)| name == "missed" && *body == json!({}))
    );
    assert!(events.len() < 10_000, "{} came", events.len());
    rig.stop().await;
}

#[tokio::test]
async fn a_stop_ends_sockets_also_of_who_does_not_read() {
    let rig = Rig::with(|options| {
        options
            .tcp(([127, 0, 0, 1], 0).into())
            .token(AdminToken::new(TOKEN).unwrap())
            .grace(Duration::from_millis(300))
    })
    .await;
    let mut deaf = rig.socket().await;
    let mut socket = rig.socket().await;
    let stranger = within(Socket::open(&rig.address(), &[])).await.unwrap();
    within(deaf.ask("jobs:follow", json!({}))).await;
    for _ in 0..20 {
        let held = (0..500).map(|_| NewJob::raw("test.echo", "{}").start(Start::Held));
        rig.engine.submit_many(held.collect()).await.unwrap();
        tokio::task::yield_now().await;
    }
    assert!(rig.handle.connections() >= 2);
    rig.handle.stop();
    within(rig.handle.wait()).await;
    while within(socket.next()).await.is_some() {}
    rig.engine.shutdown().await;
    drop((deaf, stranger));
}

#[tokio::test]
async fn a_websocket_counts_as_a_connection_until_it_closes() {
    let rig = Rig::tcp().await;
    let socket = rig.socket().await;
    assert_eq!(rig.handle.connections(), 1);
    drop(socket);
    within(async {
        while rig.handle.connections() > 0 {
            tokio::task::yield_now().await;
        }
    })
    .await;
    rig.stop().await;
}

#[tokio::test]
async fn polling_works_without_a_websocket() {
    let rig = Rig::tcp().await;
    let host = rig.address();
    let ask = async |method: &str, query: &str, body: &str| {
        let head = format!(
            "{method} /socket.io/?EIO=4&transport=polling{query} HTTP/1.1\r\nHost: {host}\r\n\
             Content-Type: text/plain\r\nContent-Length: {}\r\nConnection: close\r\n\r\n{body}",
            body.len()
        );
        let answer = raw::tcp(&rig, &head).await;
        answer.split_once("\r\n\r\n").unwrap().1.to_owned()
    };
    let hello = ask("GET", "", "").await;
    let hello: Value = serde_json::from_str(hello.strip_prefix('0').unwrap()).unwrap();
    let session = format!("&sid={}", hello["sid"].as_str().unwrap());
    let auth = json!({"token": TOKEN});
    assert_eq!(ask("POST", &session, &format!("40{auth}")).await, "ok");
    // A poll brings all that waits, a heartbeat among it when its time has come.
    let joined = ask("GET", &session, "").await;
    let mut packets = joined.split('\u{1e}').filter(|packet| *packet != "2");
    assert!(packets.next().unwrap().starts_with("40{"), "{joined}");
    let unknown = "421[\"job:follow\",{\"jobId\":\"x\"}]";
    assert_eq!(ask("POST", &session, unknown).await, "ok");
    let answer = ask("GET", &session, "").await;
    assert!(
        answer.contains("431[{") && answer.contains("not_found"),
        "{answer}"
    );
    rig.stop().await;
}

/// Answers with whose the caller's jobs are, and tells all who see somebody's.
struct Echo;

impl SocketEvents for Echo {
    fn opened(&self, io: &SocketIo) {
        let io = io.clone();
        tokio::spawn(async move {
            loop {
                // Whoever is not connected yet misses it.
                let _ = io
                    .to(rooms_that_see("somebody"))
                    .emit("echo:somebody", &1)
                    .await;
                let _ = io.to(rooms_that_see("")).emit("echo:nobody", &1).await;
                tokio::time::sleep(Duration::from_millis(20)).await;
            }
        });
    }

    fn connected(&self, socket: &SocketRef, guest: &Guest) {
        let owner = guest.owner.clone();
        socket.on("echo:owner", async move |ack: AckSender| {
            ack.send(&json!({"owner": owner})).unwrap();
        });
    }
}

#[tokio::test]
async fn a_system_adds_events_of_its_own() {
    let rig = Rig::with(|options| {
        options
            .tcp(([127, 0, 0, 1], 0).into())
            .token(AdminToken::new(TOKEN).unwrap())
            .access_open(true)
            .socket_events(Echo)
    })
    .await;
    let mut admin = rig.socket().await;
    let answer = within(admin.ask("echo:owner", json!(null))).await;
    assert_eq!(answer, json!({"owner": ""}));
    while within(admin.next()).await.unwrap().0 != "echo:somebody" {}
    // One who sees the jobs of nobody in particular alone.
    let mut guest = within(Socket::open(&rig.address(), &[])).await.unwrap();
    within(guest.connect(None)).await.unwrap();
    for _ in 0..3 {
        assert_eq!(within(guest.next()).await.unwrap().0, "echo:nobody");
    }
    rig.stop().await;
}

/// Takes its time before it listens to a client.
struct Slow;

impl SocketEvents for Slow {
    fn connected(&self, socket: &SocketRef, _: &Guest) {
        std::thread::sleep(Duration::from_millis(100));
        socket.on("slow:ask", async move |ack: AckSender| {
            ack.send(&json!({"heard": true})).unwrap();
        });
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_client_that_asks_as_soon_as_it_is_let_in_is_heard() {
    let rig = Rig::with(|options| {
        options
            .tcp(([127, 0, 0, 1], 0).into())
            .token(AdminToken::new(TOKEN).unwrap())
            .socket_events(Slow)
    })
    .await;
    let mut socket = rig.socket().await;
    let answer = within(socket.ask("slow:ask", json!(null))).await;
    assert_eq!(answer, json!({"heard": true}));
    rig.stop().await;
}
