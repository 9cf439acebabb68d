//! What can go wrong with an aggregator, and whether trying again may help.
//!
//! Invariant: every error is either final or may be retried; texts from the server are bounded.

use std::{
    fmt,
    ops::Range,
    time::{Duration, SystemTime},
};

use reqwest::{Response, StatusCode, header};
use serde::Deserialize;

/// Bytes of an error's body that are read.
const MAX_BODY: usize = 64 * 1024;

/// Characters of a server's message that are kept.
const MAX_MESSAGE: usize = 300;

/// Why bytes could not be had.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum Error {
    /// The base address can not be used.
    #[error("'{address}' is not the address of an aggregator: {reason}")]
    Address {
        /// The address given.
        address: String,
        /// What is wrong with it.
        reason: &'static str,
    },
    /// The HTTP client could not be made.
    #[error("the HTTP client could not be made: {}", root(.0))]
    Client(#[source] reqwest::Error),
    /// The aggregator does not know the blob.
    #[error("the aggregator knows no such blob: {0}")]
    NotFound(Reply),
    /// The aggregator refuses, and will again.
    #[error("the aggregator refused: {0}")]
    Refused(Reply),
    /// The aggregator is overloaded or fails for now.
    #[error("the aggregator is not available: {reply}")]
    Unavailable {
        /// What it answered.
        reply: Reply,
        /// When it asked to be tried again.
        retry_after: Option<Duration>,
    },
    /// The aggregator sends elsewhere, where nobody asked to go.
    #[error("the aggregator redirects (status {status}), which is not followed")]
    Redirect {
        /// The status.
        status: u16,
    },
    /// The blob is larger than the caller takes.
    #[error("the blob is larger than the limit of {limit} bytes")]
    TooLarge {
        /// Most bytes taken.
        limit: u64,
    },
    /// No connection, or it broke before an answer came.
    #[error("the aggregator could not be reached: {}", root(.0))]
    Network(#[source] reqwest::Error),
    /// Nothing came for so long.
    #[error("no byte came for {} s", .0.as_secs_f64())]
    Stalled(Duration),
    /// The connection broke within the body.
    #[error(
        "the connection broke after {received} of {} bytes: {}",
        .expected.map_or_else(|| "an unknown number of".to_owned(), |bytes| bytes.to_string()),
        root(source)
    )]
    Disconnected {
        /// Bytes that came.
        received: u64,
        /// Bytes promised, if the server told.
        expected: Option<u64>,
        /// What the connection said.
        source: reqwest::Error,
    },
    /// The answer is about other bytes than those asked for.
    #[error(
        "bytes {}-{} were asked for, {}-{} were answered",
        asked.start, asked.end.saturating_sub(1), got.start, got.end.saturating_sub(1)
    )]
    OtherRange {
        /// What was asked for.
        asked: Range<u64>,
        /// What was answered.
        got: Range<u64>,
    },
    /// The answer is about a blob of another length.
    #[error("the blob has {expected} bytes, the answer is about one of {got}")]
    OtherTotal {
        /// Bytes of the blob.
        expected: u64,
        /// Bytes of the answer's blob.
        got: u64,
    },
    /// Fewer bytes came than were asked for.
    #[error("{got} bytes came instead of {expected}")]
    TooShort {
        /// Bytes asked for.
        expected: u64,
        /// Bytes that came or were announced.
        got: u64,
    },
    /// More bytes came than were asked for.
    #[error("more than the {expected} bytes asked for came")]
    TooLong {
        /// Bytes asked for.
        expected: u64,
    },
    /// The answer is not one of an aggregator.
    #[error("the aggregator answered with {0}")]
    Answer(&'static str),
}

/// Whether to try again.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Retry {
    /// Trying again gives the same.
    Never,
    /// Trying again may help, not before this time has passed if the server told one.
    After(Option<Duration>),
}

/// An answer that refuses.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Reply {
    /// The HTTP status.
    pub status: StatusCode,
    /// The machine-readable reason, such as `BLOB_NOT_FOUND`, if there was one.
    pub reason: Option<String>,
    /// The message; empty if there was none.
    pub message: String,
}

impl Error {
    /// Whether to try again, and when.
    pub fn retry(&self) -> Retry {
        match self {
            Self::Address { .. }
            | Self::Client(_)
            | Self::NotFound(_)
            | Self::Refused(_)
            | Self::Redirect { .. }
            | Self::TooLarge { .. } => Retry::Never,
            Self::Unavailable { retry_after, .. } => Retry::After(*retry_after),
            Self::Network(_)
            | Self::Stalled(_)
            | Self::Disconnected { .. }
            | Self::OtherRange { .. }
            | Self::OtherTotal { .. }
            | Self::TooShort { .. }
            | Self::TooLong { .. }
            | Self::Answer(_) => Retry::After(None),
        }
    }

    /// Whether trying again gives the same.
    pub fn is_final(&self) -> bool {
        self.retry() == Retry::Never
    }
}

impl fmt::Display for Reply {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "status {}", self.status.as_u16())?;
        if let Some(reason) = &self.reason {
            write!(f, " {reason}")?;
        }
        if !self.message.is_empty() {
            write!(f, ": {}", self.message)?;
        }
        Ok(())
    }
}

/// The error of an answer that is no success.
pub(super) async fn of_response(response: Response, patience: Duration) -> Error {
    let status = response.status();
    let retry_after = response
        .headers()
        .get(header::RETRY_AFTER)
        .and_then(|value| value.to_str().ok())
        .and_then(|text| parse_retry_after(text, SystemTime::now()));
    // The status says enough when the body does not come.
    let body = tokio::time::timeout(patience, read_bounded(response))
        .await
        .unwrap_or_default();
    let (reason, message) = parse_body(&body);
    let reply = Reply {
        status,
        reason,
        message,
    };
    match status {
        StatusCode::NOT_FOUND => Error::NotFound(reply),
        StatusCode::TOO_MANY_REQUESTS | StatusCode::REQUEST_TIMEOUT | StatusCode::TOO_EARLY => {
            Error::Unavailable { reply, retry_after }
        }
        _ if status.is_server_error() => Error::Unavailable { reply, retry_after },
        _ if status.is_redirection() => Error::Redirect {
            status: status.as_u16(),
        },
        _ => Error::Refused(reply),
    }
}

/// The innermost cause: the outer texts of an HTTP error say only at which stage it happened.
fn root(error: &reqwest::Error) -> String {
    let mut cause: &dyn std::error::Error = error;
    while let Some(next) = cause.source() {
        cause = next;
    }
    cause.to_string()
}

async fn read_bounded(mut response: Response) -> Vec<u8> {
    let mut body = Vec::new();
    while let Ok(Some(bytes)) = response.chunk().await {
        let room = MAX_BODY - body.len();
        body.extend_from_slice(&bytes[..bytes.len().min(room)]);
        if body.len() == MAX_BODY {
            break;
        }
    }
    body
}

/// The reason and message of a Walrus error body, or the text of any other.
fn parse_body(body: &[u8]) -> (Option<String>, String) {
    #[derive(Deserialize)]
    struct Outer {
        error: Inner,
    }
    #[derive(Deserialize)]
    struct Inner {
        #[serde(default)]
        status: Option<String>,
        #[serde(default)]
        message: String,
        #[serde(default)]
        details: Vec<serde_json::Value>,
    }
    match serde_json::from_slice::<Outer>(body) {
        Ok(Outer { error }) => {
            let reason = error
                .details
                .iter()
                .find_map(|detail| detail.get("reason")?.as_str())
                .map(str::to_owned)
                .or(error.status);
            (reason.map(|text| bounded(&text)), bounded(&error.message))
        }
        Err(_) => (None, bounded(String::from_utf8_lossy(body).trim())),
    }
}

fn bounded(text: &str) -> String {
    text.chars().take(MAX_MESSAGE).collect()
}

/// Reads seconds or an HTTP date.
fn parse_retry_after(text: &str, now: SystemTime) -> Option<Duration> {
    let text = text.trim();
    if let Ok(seconds) = text.parse() {
        return Some(Duration::from_secs(seconds));
    }
    let date = httpdate::parse_http_date(text).ok()?;
    Some(date.duration_since(now).unwrap_or_default())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn retry_after_is_seconds_or_a_date() {
        let now = SystemTime::UNIX_EPOCH + Duration::from_secs(784_111_777);
        assert_eq!(parse_retry_after("7", now), Some(Duration::from_secs(7)));
        let date = "Sun, 06 Nov 1994 08:50:07 GMT";
        assert_eq!(parse_retry_after(date, now), Some(Duration::from_secs(30)));
        let past = "Sun, 06 Nov 1994 08:00:00 GMT";
        assert_eq!(parse_retry_after(past, now), Some(Duration::ZERO));
        assert_eq!(parse_retry_after("soon", now), None);
    }

    #[test]
    fn bodies_of_errors() {
        let json = br#"{"error":{"status":"NOT_FOUND","code":404,"message":"gone","details":[{"reason":"BLOB_NOT_FOUND"}]}}"#;
        assert_eq!(
            parse_body(json),
            (Some("BLOB_NOT_FOUND".to_owned()), "gone".to_owned())
        );
        let bare = br#"{"error":{"status":"INTERNAL"}}"#;
        assert_eq!(
            parse_body(bare),
            (Some("INTERNAL".to_owned()), String::new())
        );
        assert_eq!(parse_body(b" slow down\n"), (None, "slow down".to_owned()));
        assert_eq!(parse_body(&[b'x'; 1000]).1.len(), MAX_MESSAGE);
    }
}
