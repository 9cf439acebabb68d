//! Files that a job made: listed, and streamed with ranges and entity tags.
//!
//! Invariant: a file is never shown as part of this server's site: no sniffing, an attachment, a sandbox.

use std::{ops::Range, sync::Arc};

use axum::{
    Json,
    body::Body,
    extract::{Path, State},
    http::{HeaderMap, HeaderName, HeaderValue, StatusCode, header},
    response::{IntoResponse, Response},
};
use longhaul::model::Seq;
use longhaul_types::{
    ErrorCode,
    body::{Artifact, ArtifactPage},
};
use percent_encoding::{AsciiSet, NON_ALPHANUMERIC, utf8_percent_encode};

use super::{App, job::find};
use crate::{access::Caller, answer::Refusal, query::Query, request::Id};

/// What stands for itself in a header parameter (RFC 8187).
const PARAMETER: &AsciiSet = &NON_ALPHANUMERIC
    .remove(b'-')
    .remove(b'.')
    .remove(b'_')
    .remove(b'~');

/// `GET …/artifacts`: by name.
pub(super) async fn list(
    State(app): State<Arc<App>>,
    caller: Caller,
    Id(id): Id,
    query: Query,
) -> Result<Json<ArtifactPage>, Refusal> {
    query.finish()?;
    let job = find(&app, &caller, &id).await?;
    page(&app, job.seq).await
}

/// A job's files.
pub(super) async fn page(app: &App, job: Seq) -> Result<Json<ArtifactPage>, Refusal> {
    let stored = app.engine.store().artifacts(job).await?;
    Ok(Json(ArtifactPage {
        artifacts: stored.into_iter().map(|stored| stored.artifact).collect(),
    }))
}

/// `GET …/artifacts/{name}`: the file, or the one range of it that is asked for.
pub(super) async fn content(
    State(app): State<Arc<App>>,
    caller: Caller,
    Id(id): Id,
    Path((_, name)): Path<(String, String)>,
    headers: HeaderMap,
    query: Query,
) -> Result<Response, Refusal> {
    query.finish()?;
    let job = find(&app, &caller, &id).await?;
    file(&app, job.seq, &name, &headers).await
}

/// A job's file, or the range of it that the headers ask for.
pub(super) async fn file(
    app: &App,
    job: Seq,
    name: &str,
    headers: &HeaderMap,
) -> Result<Response, Refusal> {
    let stored = app.engine.store().artifacts(job).await?;
    let found = stored.into_iter().find(|one| one.artifact.name == name);
    let Some(found) = found else {
        let detail = "the job has no artifact of this name";
        return Err(Refusal::new(ErrorCode::NotFound, detail));
    };
    let tag = format!("\"{}\"", found.artifact.sha256);
    if names(headers, header::IF_NONE_MATCH, &tag) {
        return Ok((StatusCode::NOT_MODIFIED, [(header::ETAG, tag)]).into_response());
    }
    let size = found.artifact.size;
    let fresh = !headers.contains_key(header::IF_RANGE) || names(headers, header::IF_RANGE, &tag);
    let asked = headers.get(header::RANGE).filter(|_| fresh);
    let range = match asked
        .and_then(|value| value.to_str().ok())
        .map(|text| parse(text, size))
    {
        None | Some(Asked::All) => None,
        Some(Asked::Part(range)) => Some(range),
        Some(Asked::Outside) => return Ok(outside(size)),
    };
    let bytes = app
        .engine
        .artifacts()
        .read(&found.location, range.clone())
        .await
        .map_err(longhaul::engine::Error::from)?;
    let mut response = Body::from_stream(bytes).into_response();
    describe(response.headers_mut(), &found.artifact, &tag);
    let length = range.as_ref().map_or(size, |range| range.end - range.start);
    response
        .headers_mut()
        .insert(header::CONTENT_LENGTH, length.into());
    if let Some(range) = range {
        *response.status_mut() = StatusCode::PARTIAL_CONTENT;
        let text = format!("bytes {}-{}/{size}", range.start, range.end - 1);
        set(response.headers_mut(), header::CONTENT_RANGE, &text);
    }
    Ok(response)
}

fn describe(headers: &mut HeaderMap, artifact: &Artifact, tag: &str) {
    set(headers, header::CONTENT_TYPE, "application/octet-stream");
    set(headers, header::CONTENT_TYPE, &artifact.content_type);
    set(headers, header::ETAG, tag);
    set(headers, header::ACCEPT_RANGES, "bytes");
    set(headers, header::CACHE_CONTROL, "private, no-cache");
    let policy = "sandbox; default-src 'none'";
    set(headers, header::CONTENT_SECURITY_POLICY, policy);
    set(
        headers,
        header::CONTENT_DISPOSITION,
        &attachment(&artifact.name),
    );
}

/// Sets a header; a value that can not be one leaves what is there.
fn set(headers: &mut HeaderMap, name: HeaderName, value: &str) {
    if let Ok(value) = HeaderValue::from_str(value) {
        headers.insert(name, value);
    }
}

/// The last part of the name, as a file name that no client can take for a path.
fn attachment(name: &str) -> String {
    let last = name.rsplit(['/', '\\']).next().unwrap_or_default();
    let file = match last {
        "" | "." | ".." => "artifact",
        other => other,
    };
    let plain: String = file
        .chars()
        .map(|c| match c {
            ' ' | '-' | '.' | '_' => c,
            c if c.is_ascii_alphanumeric() => c,
            _ => '_',
        })
        .collect();
    let exact = utf8_percent_encode(file, PARAMETER);
    format!("attachment; filename=\"{plain}\"; filename*=UTF-8''{exact}")
}

fn names(headers: &HeaderMap, name: HeaderName, tag: &str) -> bool {
    let values = headers.get_all(name).iter();
    values
        .filter_map(|value| value.to_str().ok())
        .flat_map(|value| value.split(','))
        .map(str::trim)
        .any(|one| one == tag || one == "*")
}

fn outside(size: u64) -> Response {
    let detail = format!("the file has {size} bytes");
    let refusal = Refusal::new(ErrorCode::RangeNotSatisfiable, detail);
    let mut response = refusal.into_response();
    let text = format!("bytes */{size}");
    set(response.headers_mut(), header::CONTENT_RANGE, &text);
    response
}

/// What a `Range` header asks for.
#[derive(Debug, PartialEq, Eq)]
enum Asked {
    /// Nothing that is understood, or several ranges: the whole file answers that.
    All,
    /// These bytes, not none.
    Part(Range<u64>),
    /// Bytes that the file has not.
    Outside,
}

fn parse(text: &str, size: u64) -> Asked {
    let Some((first, last)) = text.strip_prefix("bytes=").and_then(|r| r.split_once('-')) else {
        return Asked::All;
    };
    let number = |text: &str| {
        let plain = text.bytes().all(|byte| byte.is_ascii_digit());
        text.parse::<u64>().ok().filter(|_| plain)
    };
    let range = match (first, last) {
        ("", last) => match number(last) {
            Some(count) => size.saturating_sub(count)..size,
            None => return Asked::All,
        },
        (first, "") => match number(first) {
            Some(first) => first..size,
            None => return Asked::All,
        },
        (first, last) => match (number(first), number(last)) {
            (Some(first), Some(last)) if first <= last => first..last.saturating_add(1).min(size),
            _ => return Asked::All,
        },
    };
    if range.start < range.end {
        Asked::Part(range)
    } else {
        Asked::Outside
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn one_range_is_understood() {
        assert_eq!(parse("bytes=0-0", 10), Asked::Part(0..1));
        assert_eq!(parse("bytes=2-", 10), Asked::Part(2..10));
        assert_eq!(parse("bytes=-3", 10), Asked::Part(7..10));
        assert_eq!(parse("bytes=-30", 10), Asked::Part(0..10));
        assert_eq!(parse("bytes=5-99", 10), Asked::Part(5..10));
        for text in ["bytes=10-", "bytes=10-12", "bytes=-0"] {
            assert_eq!(parse(text, 10), Asked::Outside, "{text}");
        }
        for text in [
            "items=0-1",
            "bytes=3-1",
            "bytes=0-1,3-4",
            "bytes=-",
            "bytes=+1-2",
            "",
        ] {
            assert_eq!(parse(text, 10), Asked::All, "{text}");
        }
        assert_eq!(parse("bytes=0-", 0), Asked::Outside);
    }

    #[test]
    fn a_download_name_is_no_path_and_no_header() {
        assert_eq!(
            attachment("../../etc/pass\"wd\r\nX: y"),
            "attachment; filename=\"pass_wd__X_ y\"; filename*=UTF-8''pass%22wd%0D%0AX%3A%20y"
        );
        assert!(attachment("a/..").contains("\"artifact\""));
        assert!(attachment("bild-ä.png").ends_with("UTF-8''bild-%C3%A4.png"));
    }
}
