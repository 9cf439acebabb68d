//! The API's own description: for programs, and as a page for people.

use axum::{
    extract::{Path, rejection::PathRejection},
    http::header,
    response::{IntoResponse, Response},
};
use longhaul_types::ErrorCode;

use crate::{answer::Refusal, openapi};

/// `GET /openapi.json`.
pub(super) async fn document() -> Result<Response, Refusal> {
    let text = openapi::text().map_err(broken)?;
    Ok(([(header::CONTENT_TYPE, "application/json")], text).into_response())
}

/// `GET /docs`.
pub(super) async fn page() -> Result<Response, Refusal> {
    let (html, policy) = openapi::page().map_err(broken)?;
    let headers = [
        (header::CONTENT_TYPE, "text/html; charset=utf-8"),
        (header::CONTENT_SECURITY_POLICY, policy),
        (header::REFERRER_POLICY, "no-referrer"),
    ];
    Ok((headers, html).into_response())
}

/// `GET /docs/errors/{code}`: where the `type` of a problem document points.
pub(super) async fn error_page(
    code: Result<Path<String>, PathRejection>,
) -> Result<Response, Refusal> {
    let Path(code) = code.map_err(|rejection| Refusal::bad(rejection.body_text()))?;
    let (html, policy) = openapi::error_page(&code)
        .ok_or_else(|| Refusal::new(ErrorCode::NotFound, "there is no error with this code"))?;
    let headers = [
        (header::CONTENT_TYPE, "text/html; charset=utf-8".to_owned()),
        (header::CONTENT_SECURITY_POLICY, policy),
        (header::REFERRER_POLICY, "no-referrer".to_owned()),
    ];
    Ok((headers, html).into_response())
}

fn broken(error: &serde_json::Error) -> Refusal {
    tracing::error!(%error, "the document can not be written");
    Refusal::new(ErrorCode::Internal, "the document can not be written")
}
