//! The routes by which a program that is not the test itself sets faults and reads the journal.
//!
//! Invariant: what these routes take is checked in full before any of it applies.

use std::sync::Arc;

use axum::{
    Json, Router,
    extract::{DefaultBodyLimit, State},
    http::StatusCode,
    response::{IntoResponse, Response},
    routing::get,
};
use serde_json::json;

use super::{MAX_RULES, Shared, faults::Rule};

/// Bytes of the largest body taken.
const MAX_BODY: usize = 1024 * 1024;

pub(super) fn router() -> Router<Arc<Shared>> {
    Router::new()
        .route(
            "/sandbox/faults",
            get(list_faults).put(set_faults).delete(clear_faults),
        )
        .route(
            "/sandbox/requests",
            get(list_requests).delete(clear_requests),
        )
        .layer(DefaultBodyLimit::max(MAX_BODY))
}

/// All rules in force, as an array.
async fn list_faults(State(shared): State<Arc<Shared>>) -> Response {
    Json(shared.faults.list()).into_response()
}

/// Replaces all rules by the array in the body.
async fn set_faults(State(shared): State<Arc<Shared>>, Json(rules): Json<Vec<Rule>>) -> Response {
    if rules.len() > MAX_RULES {
        return refuse(&format!("at most {MAX_RULES} rules"));
    }
    if let Some(error) = rules.iter().find_map(|rule| rule.fault.check().err()) {
        return refuse(error);
    }
    shared.faults.set(rules);
    list_faults(State(shared)).await
}

async fn clear_faults(State(shared): State<Arc<Shared>>) -> StatusCode {
    shared.faults.clear();
    StatusCode::NO_CONTENT
}

async fn list_requests(State(shared): State<Arc<Shared>>) -> Response {
    Json(shared.journal.list()).into_response()
}

async fn clear_requests(State(shared): State<Arc<Shared>>) -> StatusCode {
    shared.journal.clear();
    StatusCode::NO_CONTENT
}

fn refuse(message: &str) -> Response {
    (
        StatusCode::UNPROCESSABLE_ENTITY,
        Json(json!({ "error": message })),
    )
        .into_response()
}
