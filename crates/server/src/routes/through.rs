//! What every request goes through on its way to its route, from the outside in: a number and a line in the access log,
//! what becomes of a panic and what every answer carries, the guard, a server that is about to stop, a trace.
//!
//! One layer around the router, and plain calls: each layer would cost every request a box and a copy of all inside it.

use std::{
    panic::AssertUnwindSafe,
    sync::{Arc, atomic::Ordering},
    time::Instant,
};

use axum::{
    extract::{MatchedPath, Request, State},
    http::Method,
    middleware::Next,
    response::{IntoResponse, Response},
};
use futures_util::FutureExt;
use longhaul_types::ErrorCode;
use tracing::Instrument as _;

use super::App;
use crate::{
    Door, access,
    answer::{Refusal, harden, panicked},
    metrics::OTHER,
    trace::{REQUEST_ID, TRACEPARENT, Traceparent, request_id},
};

/// The way of every request. Its id stands in every line that is written for it, and in its answer.
pub(super) async fn through(State(app): State<Arc<App>>, request: Request, next: Next) -> Response {
    let id = request_id(request.headers());
    let span = tracing::error_span!("request", id = id.to_str().unwrap_or_default());
    let mut response = logged(&app, request, next).instrument(span).await;
    response.headers_mut().insert(REQUEST_ID, id);
    response
}

/// The access log: who came by which door and what they got, at level debug, as polling would drown the rest; changes are in
/// the audit. No query and no header, as those may hold secrets.
async fn logged(app: &App, request: Request, next: Next) -> Response {
    let began = Instant::now();
    let method = request.method().clone();
    let path = request.uri().path().to_owned();
    let route = request.extensions().get::<MatchedPath>().cloned();
    let door = request.extensions().get::<Door>().copied();
    let answered = access::guard(app, request, |request| inside(app, request, next));
    let answered = AssertUnwindSafe(answered).catch_unwind().await;
    let mut response = answered.unwrap_or_else(panicked);
    harden(&mut response);
    let status = response.status().as_u16();
    let took = began.elapsed();
    let route = route.as_ref().map_or(OTHER, MatchedPath::as_str);
    app.metrics.answered(known(&method), route, status, took);
    let micros = u64::try_from(took.as_micros()).unwrap_or(u64::MAX);
    tracing::debug!(target: "longhaul::access", ?door, %method, path, status, micros);
    response
}

/// Behind the guard. A server that is about to stop takes nothing more: what it took would wait for the next one, unseen.
async fn inside(app: &App, request: Request, next: Next) -> Response {
    if app.draining.load(Ordering::SeqCst) && request.uri().path() != "/health/live" {
        return Refusal::new(ErrorCode::Unavailable, "the server stops; start it again")
            .into_response();
    }
    traced(app, request, next).await
}

/// Follows requests that may change something. Behind the guard: a stranger begins no trace.
async fn traced(app: &App, mut request: Request, next: Next) -> Response {
    let Some(traces) = app.traces.as_ref().filter(|_| !request.method().is_safe()) else {
        return next.run(request).await;
    };
    let route = request.extensions().get::<MatchedPath>();
    let route = route.map_or(OTHER, MatchedPath::as_str);
    let parent = request.headers().get(TRACEPARENT);
    let parent = parent.and_then(|value| value.to_str().ok());
    let trace = traces.begin(known(request.method()), route, parent);
    if let Some(traceparent) = trace.traceparent() {
        request.extensions_mut().insert(Traceparent(traceparent));
    }
    let response = next.run(request).await;
    trace.end(response.status().as_u16());
    response
}

/// The method as a label: one that routes have, for anybody can make others up.
fn known(method: &Method) -> &'static str {
    let methods = ["GET", "POST", "PUT", "DELETE", "HEAD"];
    let found = methods.into_iter().find(|name| method == name);
    found.unwrap_or(OTHER)
}
