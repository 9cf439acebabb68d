//! Errors as problem documents, and what every answer carries.

use std::time::Duration;

use axum::{
    Json,
    extract::Request,
    http::{HeaderName, HeaderValue, StatusCode, Uri, header},
    response::{IntoResponse, Response},
};
use longhaul::{engine, store};
use longhaul_types::{ErrorCode, Problem};
use serde_json::Value;

/// Member of a problem document: seconds after which to ask again.
const RETRY_AFTER: &str = "retryAfter";

/// An answer that says no.
#[derive(Clone, Debug)]
pub(crate) struct Refusal(Box<Problem>);

impl Refusal {
    pub(crate) fn new(code: ErrorCode, detail: impl Into<String>) -> Self {
        Self(Box::new(Problem::new(code, detail)))
    }

    /// Not now: it may be asked for again after `wait`. Told in whole seconds, in the body too.
    pub(crate) fn later(code: ErrorCode, detail: impl Into<String>, wait: Duration) -> Self {
        let mut refusal = Self::new(code, detail);
        let seconds = wait.as_secs() + u64::from(wait.subsec_nanos() > 0);
        let more = &mut refusal.0.more;
        more.insert(RETRY_AFTER.to_owned(), seconds.max(1).into());
        refusal
    }

    /// The request is malformed.
    pub(crate) fn bad(detail: impl Into<String>) -> Self {
        Self::new(ErrorCode::BadRequest, detail)
    }

    /// What it says.
    pub(crate) fn problem(&self) -> &Problem {
        &self.0
    }

    pub(crate) fn code(&self) -> ErrorCode {
        self.0.code
    }
}

impl From<Box<Problem>> for Refusal {
    fn from(problem: Box<Problem>) -> Self {
        Self(problem)
    }
}

impl From<engine::Error> for Refusal {
    fn from(error: engine::Error) -> Self {
        if matches!(error.code(), ErrorCode::Internal | ErrorCode::Unavailable) {
            tracing::error!(%error, "a request failed");
        }
        Self(Box::new(Problem::from(&error)))
    }
}

impl From<store::Error> for Refusal {
    fn from(error: store::Error) -> Self {
        engine::Error::from(error).into()
    }
}

impl IntoResponse for Refusal {
    fn into_response(self) -> Response {
        let status =
            StatusCode::from_u16(self.0.status).unwrap_or(StatusCode::INTERNAL_SERVER_ERROR);
        let mut response = (status, Json(&*self.0)).into_response();
        let kind = HeaderValue::from_static("application/problem+json");
        response.headers_mut().insert(header::CONTENT_TYPE, kind);
        response.extensions_mut().insert(self.0.code);
        let wait = self.0.more.get(RETRY_AFTER).and_then(Value::as_u64);
        let later = [
            StatusCode::SERVICE_UNAVAILABLE,
            StatusCode::TOO_MANY_REQUESTS,
        ];
        if later.contains(&status) {
            let headers = response.headers_mut();
            headers.insert(header::RETRY_AFTER, wait.unwrap_or(1).into());
        }
        response
    }
}

/// Nothing is at this path.
pub(crate) fn no_route(uri: &Uri) -> Refusal {
    let path: String = uri.path().chars().take(200).collect();
    Refusal::new(ErrorCode::NotFound, format!("there is nothing at {path}"))
}

/// The path does not take this method.
pub(crate) fn no_method(request: &Request) -> Refusal {
    let path: String = request.uri().path().chars().take(200).collect();
    let detail = format!("{path} does not take {}", request.method());
    Refusal::new(ErrorCode::MethodNotAllowed, detail)
}

/// What every answer carries: nothing is guessed from content, nothing kept by caches unless a route says so.
pub(crate) fn harden(response: &mut Response) {
    const NOSNIFF: HeaderName = HeaderName::from_static("x-content-type-options");
    let headers = response.headers_mut();
    headers.insert(NOSNIFF, HeaderValue::from_static("nosniff"));
    headers
        .entry(header::CACHE_CONTROL)
        .or_insert(HeaderValue::from_static("no-store"));
}

/// What a panic in a route becomes.
pub(crate) fn panicked(_: Box<dyn std::any::Any + Send + 'static>) -> Response {
    Refusal::new(
        ErrorCode::Internal,
        "a fault of the server; its log says more",
    )
    .into_response()
}
