//! The answers without a blob, in the shapes of a real aggregator.
//!
//! Invariant: every error but load shedding has the JSON body of a Walrus service.

use axum::{
    Json,
    http::{HeaderValue, StatusCode, header},
    response::{IntoResponse, Response},
};
use serde_json::json;

use super::faults::Fault;

/// The service that error details name.
const DOMAIN: &str = "daemon.walrus.space";

pub(super) fn not_found() -> Response {
    error(
        StatusCode::NOT_FOUND,
        "NOT_FOUND",
        "BLOB_NOT_FOUND",
        "the requested blob ID does not exist on Walrus, ensure that it was entered correctly",
    )
}

pub(super) fn bad_id(message: &str) -> Response {
    error(
        StatusCode::BAD_REQUEST,
        "INVALID_ARGUMENT",
        "INVALID_BLOB_ID",
        message,
    )
}

/// A range that can not be served: 416 for the header, 400 for the query.
pub(super) fn bad_range(status: StatusCode, message: &str) -> Response {
    let word = match status {
        StatusCode::RANGE_NOT_SATISFIABLE => "OUT_OF_RANGE",
        _ => "INVALID_ARGUMENT",
    };
    let message = format!("invalid byte range parameters: {message}");
    error(status, word, "INVALID_BYTE_RANGE", &message)
}

pub(super) fn internal(cause: &std::io::Error) -> Response {
    error(
        StatusCode::INTERNAL_SERVER_ERROR,
        "INTERNAL",
        "INTERNAL",
        &cause.to_string(),
    )
}

/// The answer of a fault that refuses.
pub(super) fn refusal(fault: Fault) -> Response {
    match fault {
        Fault::Unavailable { retry_after } => {
            let answer = error(
                StatusCode::SERVICE_UNAVAILABLE,
                "UNAVAILABLE",
                "BLOB_UNAVAILABLE",
                "the blob is temporarily unavailable, retry later",
            );
            with_retry_after(answer, retry_after)
        }
        Fault::TooManyRequests { retry_after } => {
            let answer = (
                StatusCode::TOO_MANY_REQUESTS,
                "the service is overloaded, retry later",
            );
            with_retry_after(answer.into_response(), retry_after)
        }
        Fault::Redirect { location } => match HeaderValue::try_from(location) {
            Ok(location) => (
                StatusCode::TEMPORARY_REDIRECT,
                [(header::LOCATION, location)],
            )
                .into_response(),
            Err(_) => bad_id("the location of the redirect is no header value"),
        },
        Fault::Status { code } => {
            let status = StatusCode::from_u16(code).unwrap_or(StatusCode::INTERNAL_SERVER_ERROR);
            let (word, reason) = match code {
                400 => ("INVALID_ARGUMENT", "INVALID_BLOB_ID"),
                403 => ("PERMISSION_DENIED", "BLOB_TOO_LARGE"),
                404 => return not_found(),
                451 => ("UNAVAILABLE_FOR_LEGAL_REASONS", "FORBIDDEN_BLOB"),
                503 => ("UNAVAILABLE", "BLOB_UNAVAILABLE"),
                _ => ("INTERNAL", "INTERNAL"),
            };
            error(status, word, reason, "the sandbox was told to answer so")
        }
        // Only faults that refuse come here; answering 500 shows a mistake to the test at once.
        other => error(
            StatusCode::INTERNAL_SERVER_ERROR,
            "INTERNAL",
            "INTERNAL",
            &format!("{other:?} does not refuse a request"),
        ),
    }
}

fn with_retry_after(mut answer: Response, seconds: Option<u32>) -> Response {
    if let Some(seconds) = seconds {
        answer
            .headers_mut()
            .insert(header::RETRY_AFTER, seconds.into());
    }
    answer
}

fn error(status: StatusCode, word: &str, reason: &str, message: &str) -> Response {
    let body = json!({
        "error": {
            "status": word,
            "code": status.as_u16(),
            "message": message,
            "details": [{ "@type": "ErrorInfo", "reason": reason, "domain": DOMAIN }],
        }
    });
    (status, Json(body)).into_response()
}
