//! Bodies of requests, read within their limits of size and time; and ids from paths.

use std::sync::Arc;

use axum::{
    body::Body,
    extract::{FromRequest, FromRequestParts, Path, Request},
    http::{HeaderMap, header, request::Parts},
};
use bytes::{Bytes, BytesMut};
use http_body_util::BodyExt;
use longhaul_types::{ErrorCode, JobId};
use serde::de::DeserializeOwned;
use tokio::time::{Instant, timeout_at};

use crate::{answer::Refusal, options::Limits, routes::App};

/// A body that is too large is read to this many times its limit and thrown away, so that the client reads the answer
/// rather than a reset connection.
const PATIENCE: usize = 4;
/// Bytes of a body of a few words.
const SMALL: usize = 4096;

/// A JSON body as text that is parsed by [`Json::parse`].
#[derive(Debug)]
pub(crate) struct Json(Bytes);

impl Json {
    /// The body as `T`.
    pub(crate) fn parse<T: DeserializeOwned>(&self) -> Result<T, Refusal> {
        serde_json::from_slice(&self.0)
            .map_err(|error| Refusal::bad(format!("the body does not fit: {error}")))
    }

    async fn from_limited(request: Request, limits: &Limits) -> Result<Self, Refusal> {
        if !is_json(request.headers()) {
            return Err(Refusal::new(
                ErrorCode::UnsupportedMediaType,
                "the body must be JSON: Content-Type: application/json",
            ));
        }
        read(request.into_body(), limits).await.map(Self)
    }

    /// Whether the body is an array.
    pub(crate) fn is_array(&self) -> bool {
        self.0.iter().find(|byte| !byte.is_ascii_whitespace()) == Some(&b'[')
    }
}

impl FromRequest<Arc<App>> for Json {
    type Rejection = Refusal;

    async fn from_request(request: Request, app: &Arc<App>) -> Result<Self, Refusal> {
        Self::from_limited(request, &app.limits).await
    }
}

/// A JSON body of a few words: for what strangers may send.
#[derive(Debug)]
pub(crate) struct SmallJson(pub(crate) Json);

impl FromRequest<Arc<App>> for SmallJson {
    type Rejection = Refusal;

    async fn from_request(request: Request, app: &Arc<App>) -> Result<Self, Refusal> {
        let body = SMALL.min(app.limits.body);
        let limits = Limits { body, ..app.limits };
        Json::from_limited(request, &limits).await.map(Self)
    }
}

fn is_json(headers: &HeaderMap) -> bool {
    let value = headers.get(header::CONTENT_TYPE);
    let media = value
        .and_then(|value| value.to_str().ok())
        .and_then(|value| value.split(';').next())
        .map(str::trim)
        .unwrap_or_default();
    media.eq_ignore_ascii_case("application/json")
}

async fn read(mut body: Body, limits: &Limits) -> Result<Bytes, Refusal> {
    let end = Instant::now() + limits.body_time;
    let mut whole = BytesMut::new();
    let mut size = 0_usize;
    loop {
        let frame = timeout_at(end, body.frame()).await.map_err(|_| {
            Refusal::new(
                ErrorCode::RequestTimeout,
                format!("the body took more than {:?}", limits.body_time),
            )
        })?;
        let Some(frame) = frame else { break };
        let frame = frame.map_err(|_| Refusal::bad("the body ended early"))?;
        let Ok(data) = frame.into_data() else {
            continue;
        };
        size = size.saturating_add(data.len());
        if size <= limits.body {
            whole.extend_from_slice(&data);
        } else {
            whole = BytesMut::new();
            if size > limits.body.saturating_mul(PATIENCE) {
                break;
            }
        }
    }
    if size > limits.body {
        return Err(Refusal::new(
            ErrorCode::TooLarge,
            format!("the body has more than {} bytes", limits.body),
        ));
    }
    Ok(whole.freeze())
}

/// The `{id}` of a path.
pub(crate) struct Id(pub(crate) JobId);

impl<S: Send + Sync> FromRequestParts<S> for Id {
    type Rejection = Refusal;

    async fn from_request_parts(parts: &mut Parts, state: &S) -> Result<Self, Refusal> {
        let path = Path::<Vec<(String, String)>>::from_request_parts(parts, state)
            .await
            .map_err(|rejection| Refusal::bad(rejection.body_text()))?;
        let id = path.0.into_iter().find(|(name, _)| name == "id");
        let text = id.map(|(_, value)| value).unwrap_or_default();
        let id = JobId::try_from(text).map_err(|error| Refusal::bad(error.to_string()))?;
        Ok(Self(id))
    }
}
