//! Requests followed into the jobs that they start: the hook for whoever keeps traces, and the id of each request.
//!
//! Invariant: what a client sends to be followed by is bounded and checked before it is kept.

use std::fmt::Write as _;

use axum::http::{HeaderMap, HeaderName, HeaderValue};

/// The label under which a job keeps the `traceparent` of the request that submitted it, for whoever runs it.
pub const TRACEPARENT: &str = "traceparent";
/// The header that has a request's id, in the answer as in the log.
pub(crate) const REQUEST_ID: HeaderName = HeaderName::from_static("x-request-id");
/// Characters of a request's id that a client may choose.
const LONGEST_ID: usize = 64;

/// Keeps traces. Asked for each request that may change something, so it must not block.
pub trait Traces: Send + Sync + 'static {
    /// A request begins: its method, its route, and the `traceparent` that came with it.
    fn begin(&self, method: &str, route: &str, traceparent: Option<&str>) -> Box<dyn Trace>;
}

impl std::fmt::Debug for dyn Traces {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("Traces")
    }
}

/// A request that is followed. Dropped without an end it was given up.
pub trait Trace: Send {
    /// What the jobs that it starts are to carry; none when this request is not recorded.
    fn traceparent(&self) -> Option<String>;

    /// It was answered with this status.
    fn end(self: Box<Self>, status: u16);
}

/// The `traceparent` that jobs of a request carry.
#[derive(Clone, Debug)]
pub(crate) struct Traceparent(pub(crate) String);

/// The request's id: the client's when it is one, else a new one.
pub(crate) fn request_id(headers: &HeaderMap) -> HeaderValue {
    let given = headers.get(REQUEST_ID).filter(|id| {
        let id = id.as_bytes();
        let sound = |byte: &u8| byte.is_ascii_alphanumeric() || b"-_.:".contains(byte);
        (1..=LONGEST_ID).contains(&id.len()) && id.iter().all(sound)
    });
    given.cloned().unwrap_or_else(|| {
        let mut random = [0; 8];
        fastrand::fill(&mut random);
        let mut text = String::with_capacity(16);
        for byte in random {
            // Writing to a string does not fail.
            let _ = write!(text, "{byte:02x}");
        }
        HeaderValue::try_from(text).unwrap_or_else(|_| HeaderValue::from_static("none"))
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_id_from_outside_is_taken_only_when_it_can_harm_no_log() {
        let id = |value: &str| {
            let mut headers = HeaderMap::new();
            headers.insert(REQUEST_ID, value.parse().expect("a header"));
            request_id(&headers)
        };
        assert_eq!(id("a-1_b.C:7"), "a-1_b.C:7");
        for strange in ["", "a b", "a\"b", "a=b", &"x".repeat(65)] {
            assert_ne!(id(strange), strange);
            assert_eq!(id(strange).len(), 16);
        }
        let new = || request_id(&HeaderMap::new());
        assert_ne!(new(), new());
    }
}
