//! The little of Socket.IO that the tests and the measurement speak: one WebSocket, the namespace `/`, JSON.

use std::collections::VecDeque;

use futures_util::{SinkExt, StreamExt};
use serde_json::{Value, json};
use tokio::net::TcpStream;
use tokio_tungstenite::{
    WebSocketStream, client_async_with_config,
    tungstenite::{
        Error, Message, client::IntoClientRequest, http::HeaderValue, protocol::WebSocketConfig,
    },
};

/// A client that was let in, or wants to be.
#[derive(Debug)]
pub(crate) struct Socket {
    stream: WebSocketStream<TcpStream>,
    asked: u64,
    ready: VecDeque<(String, Value)>,
}

impl Socket {
    /// Opens a session, with these headers beside the usual ones; or the status of the refusal.
    pub(crate) async fn open(address: &str, headers: &[(&'static str, &str)]) -> Result<Self, u16> {
        Self::at(address, "", headers).await
    }

    /// The same with `query` added to the address.
    pub(crate) async fn at(
        address: &str,
        query: &str,
        headers: &[(&'static str, &str)],
    ) -> Result<Self, u16> {
        let url = format!("ws://{address}/socket.io/?EIO=4&transport=websocket{query}");
        let mut request = url.into_client_request().expect("an address");
        for (name, value) in headers {
            let value = HeaderValue::from_str(value).expect("a header");
            request.headers_mut().insert(*name, value);
        }
        let stream = TcpStream::connect(address).await.expect("a connection");
        stream.set_nodelay(true).expect("an option");
        let config = WebSocketConfig::default().read_buffer_size(4096);
        let stream = match client_async_with_config(request, stream, Some(config)).await {
            Ok((stream, _)) => stream,
            Err(Error::Http(response)) => return Err(response.status().as_u16()),
            Err(error) => panic!("{error}"),
        };
        let mut socket = Self {
            stream,
            asked: 0,
            ready: VecDeque::new(),
        };
        let hello = socket.text().await.expect("a greeting");
        assert!(hello.starts_with("0{"), "{hello}");
        Ok(socket)
    }

    /// Connects to the namespace, or says why it may not.
    pub(crate) async fn connect(&mut self, auth: Option<Value>) -> Result<(), String> {
        let auth = auth.map(|auth| auth.to_string()).unwrap_or_default();
        self.send(format!("40{auth}")).await;
        let answer = self.text().await.expect("an answer");
        match answer.strip_prefix("44") {
            Some(refusal) => {
                let refusal: Value = serde_json::from_str(refusal).expect("JSON");
                Err(refusal["message"].as_str().expect("a message").to_owned())
            }
            None => {
                assert!(answer.starts_with("40{"), "{answer}");
                Ok(())
            }
        }
    }

    /// Sends an event and waits for its answer; what comes before that waits.
    pub(crate) async fn ask(&mut self, event: &str, body: Value) -> Value {
        self.asked += 1;
        let (id, body) = (self.asked, json!([event, body]));
        self.send(format!("42{id}{body}")).await;
        let begin = format!("43{id}[");
        loop {
            let text = self.text().await.expect("an answer");
            if text.starts_with(&begin) {
                let answer: Value = serde_json::from_str(&text[begin.len() - 1..]).expect("JSON");
                return answer[0].clone();
            }
            self.keep(&text);
        }
    }

    /// The next event; none when the server has disconnected or closed.
    pub(crate) async fn next(&mut self) -> Option<(String, Value)> {
        loop {
            if let Some(event) = self.ready.pop_front() {
                return Some(event);
            }
            let text = self.text().await?;
            if text == "41" {
                return None;
            }
            self.keep(&text);
        }
    }

    fn keep(&mut self, text: &str) {
        let Some(event) = text.strip_prefix("42") else {
            panic!("what is {text}");
        };
        let mut event: Value = serde_json::from_str(event).expect("JSON");
        let name = event[0].as_str().expect("a name").to_owned();
        self.ready.push_back((name, event[1].take()));
    }

    /// Sends a message as it is.
    pub(crate) async fn send(&mut self, text: String) {
        self.stream.send(Message::text(text)).await.expect("sent");
    }

    /// The next message; pings are answered.
    async fn text(&mut self) -> Option<String> {
        loop {
            match self.stream.next().await? {
                Ok(Message::Text(text)) if text == "2" => self.send("3".to_owned()).await,
                Ok(Message::Text(text)) if text == "1" => return None,
                Ok(Message::Text(text)) => return Some(text.to_string()),
                Ok(Message::Close(_)) | Err(_) => return None,
                Ok(other) => panic!("what is {other:?}"),
            }
        }
    }
}
