//! Followers, by either way: small, so that what they cost is the server's.

use std::time::{SystemTime, UNIX_EPOCH};

use serde_json::{Value, json};
use tokio::{
    io::{AsyncReadExt, AsyncWriteExt},
    net::TcpStream,
};

use super::{server::TOKEN, socketio::Socket};

/// How a client follows.
#[derive(Clone, Copy, Debug)]
pub(crate) enum Kind {
    Stream,
    Socket,
}

impl Kind {
    pub(crate) fn name(self) -> &'static str {
        match self {
            Self::Stream => "SSE",
            Self::Socket => "Socket.IO",
        }
    }
}

/// What a follower heard until the job's end.
#[derive(Debug, Default)]
pub(crate) struct Heard {
    /// What each log line took from the handler to here.
    pub(crate) micros: Vec<u64>,
    /// Whether it missed some.
    pub(crate) missed: u32,
}

/// A client that follows a job.
pub(crate) enum Follower {
    Stream(TcpStream),
    Socket(Box<Socket>),
}

impl Follower {
    /// Connects and follows; the server has answered when this returns.
    pub(crate) async fn connect(kind: Kind, address: &str, job: &str) -> Self {
        match kind {
            Kind::Stream => {
                let mut stream = TcpStream::connect(address).await.expect("a connection");
                let get = format!(
                    "GET /api/v1/jobs/{job}/events HTTP/1.1\r\nHost: {address}\r\nAuthorization: Bearer {TOKEN}\r\n\r\n"
                );
                stream.write_all(get.as_bytes()).await.expect("sent");
                let mut first = [0; 12];
                stream.read_exact(&mut first).await.expect("an answer");
                assert_eq!(&first, b"HTTP/1.1 200");
                Self::Stream(stream)
            }
            Kind::Socket => {
                let mut socket = Socket::open(address, &[]).await.expect("let in");
                let token = json!({"token": TOKEN});
                socket.connect(Some(token)).await.expect("let in");
                let job = socket.ask("job:follow", json!({"jobId": job})).await;
                assert_eq!(job["state"], "running", "{job}");
                Self::Socket(Box::new(socket))
            }
        }
    }

    /// Follows until the job's end; none when the connection ended before.
    pub(crate) async fn until_the_end(self) -> Option<Heard> {
        let mut heard = Heard::default();
        match self {
            Self::Stream(mut stream) => {
                let mut text = Vec::new();
                loop {
                    let mut chunk = [0; 4096];
                    let count = stream.read(&mut chunk).await.ok()?;
                    if count == 0 {
                        return None;
                    }
                    text.extend_from_slice(&chunk[..count]);
                    while let Some(end) = text.iter().position(|byte| *byte == b'\n') {
                        let line: Vec<u8> = text.drain(..=end).collect();
                        let Some(body) = line.strip_prefix(b"data: ") else {
                            continue;
                        };
                        let body: Value = serde_json::from_slice(body).expect("JSON");
                        if heard.note(&body) {
                            return Some(heard);
                        }
                    }
                }
            }
            Self::Socket(mut socket) => loop {
                let (_, body) = socket.next().await?;
                if heard.note(&body) {
                    return Some(heard);
                }
            },
        }
    }
}

impl Heard {
    /// Takes note of an event; true when it was the last.
    fn note(&mut self, body: &Value) -> bool {
        if body["event"].is_null() {
            self.missed = 1;
        }
        for line in body["lines"].as_array().into_iter().flatten() {
            let sent: u64 = line["text"]
                .as_str()
                .and_then(|text| text.parse().ok())
                .expect("a time");
            self.micros.push(micros().saturating_sub(sent));
        }
        body["state"] == "completed"
    }
}

/// Microseconds since 1970, of the clock that both processes share.
pub(crate) fn micros() -> u64 {
    let now = SystemTime::now()
        .duration_since(UNIX_EPOCH)
        .expect("after 1970");
    u64::try_from(now.as_micros()).expect("for long")
}
