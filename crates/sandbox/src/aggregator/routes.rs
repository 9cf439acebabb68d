//! The routes of an aggregator.
//!
//! Invariant: every request for a blob is journaled with the status it was answered with.

use std::{
    fs::File,
    io,
    path::PathBuf,
    sync::{Arc, atomic::AtomicU64},
};

use axum::{
    Router,
    body::Body,
    extract::{Path, Query, State},
    http::{HeaderMap, HeaderValue, Method, StatusCode, header},
    response::{IntoResponse, Response},
    routing::get,
};
use serde::Deserialize;

use super::{
    Shared, admin, answer,
    body::Plan,
    faults::Fault,
    name::BlobName,
    range::{self, Span},
    request::Request,
};

pub(super) fn router(shared: Arc<Shared>) -> Router {
    // axum would answer HEAD on every GET route; an aggregator has no such route.
    Router::new()
        .route("/v1/blobs/{id}", get(get_blob).head(no_head))
        .route("/v1/blobs/{id}/byte-range", get(byte_range).head(no_head))
        .route("/status", get(async || "OK"))
        .merge(admin::router())
        .with_state(shared)
}

async fn no_head() -> StatusCode {
    StatusCode::METHOD_NOT_ALLOWED
}

async fn get_blob(
    State(shared): State<Arc<Shared>>,
    Path(id): Path<String>,
    headers: HeaderMap,
) -> Response {
    let asked = headers.get(header::RANGE).map_or(Asked::Whole, |value| {
        Asked::Header(String::from_utf8_lossy(value.as_bytes()).into_owned())
    });
    respond(&shared, id, asked).await
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct ByteRange {
    start: u64,
    length: u64,
}

async fn byte_range(
    State(shared): State<Arc<Shared>>,
    Path(id): Path<String>,
    Query(ByteRange { start, length }): Query<ByteRange>,
) -> Response {
    respond(&shared, id, Asked::Query { start, length }).await
}

/// What part of the blob was asked for, and how.
enum Asked {
    Whole,
    Header(String),
    Query { start: u64, length: u64 },
}

impl Asked {
    fn text(&self) -> Option<String> {
        match self {
            Self::Whole => None,
            Self::Header(text) => Some(text.clone()),
            Self::Query { start, length } => {
                let end = start.saturating_add(*length).saturating_sub(1);
                Some(format!("bytes={start}-{end}"))
            }
        }
    }
}

async fn respond(shared: &Shared, id: String, asked: Asked) -> Response {
    let range = asked.text();
    let outcome = prepare(shared, &id, asked).await;
    let status = match &outcome {
        Ok(found) => found.status,
        Err(refused) => refused.status(),
    };
    let sent = shared.journal.add(Request {
        method: Method::GET.to_string(),
        blob: id,
        range,
        status: status.as_u16(),
        sent: 0,
    });
    match outcome {
        Ok(found) => found.respond(shared, sent),
        Err(refused) => *refused,
    }
}

/// An answer with bytes of a blob.
struct Found {
    status: StatusCode,
    tag: String,
    content_range: Option<String>,
    plan: Plan,
}

impl Found {
    fn respond(self, shared: &Shared, sent: Arc<AtomicU64>) -> Response {
        let length = self.plan.length + self.plan.extra;
        let told = self.plan.told;
        let mut answer = (
            self.status,
            [(header::CONTENT_TYPE, "application/octet-stream")],
            [(
                header::CACHE_CONTROL,
                "public, max-age=86400, stale-while-revalidate=3600",
            )],
            [(header::X_CONTENT_TYPE_OPTIONS, "nosniff")],
            [(header::ETAG, self.tag)],
            match length {
                0 if told => Body::empty(),
                _ => self.plan.body(sent, shared.stop.clone()),
            },
        )
            .into_response();
        let headers: &mut HeaderMap<HeaderValue> = answer.headers_mut();
        if told {
            headers.insert(header::CONTENT_LENGTH, length.into());
        }
        if let Some(range) = self.content_range.and_then(|text| text.try_into().ok()) {
            headers.insert(header::CONTENT_RANGE, range);
        }
        answer
    }
}

async fn prepare(shared: &Shared, id: &str, asked: Asked) -> Result<Found, Box<Response>> {
    let name: BlobName = id
        .parse()
        .map_err(|error| Box::new(answer::bad_id(&format!("{error}"))))?;
    if let Some(fault) = shared.faults.refusal(id) {
        return Err(Box::new(answer::refusal(fault)));
    }
    let (file, size) = open(shared.folder.join(name.as_str()))
        .await
        .map_err(|error| {
            Box::new(match error.kind() {
                io::ErrorKind::NotFound => answer::not_found(),
                _ => answer::internal(&error),
            })
        })?;
    let (span, status) = match &asked {
        Asked::Whole => (None, StatusCode::OK),
        Asked::Header(_) if shared.faults.ignores_range(id) => (None, StatusCode::OK),
        Asked::Header(text) => {
            let span = range::parse(text, size)
                .map_err(|message| answer::bad_range(StatusCode::RANGE_NOT_SATISFIABLE, message))?;
            (Some(span), StatusCode::PARTIAL_CONTENT)
        }
        Asked::Query { start, length } => {
            let span = range::from_length(*start, *length, size)
                .map_err(|message| answer::bad_range(StatusCode::BAD_REQUEST, message))?;
            // 200, not 206: so that networks of caches keep the answer.
            (Some(span), StatusCode::OK)
        }
    };
    let tag = match asked {
        Asked::Query { start, length } => format!("{id}-{start}-{length}"),
        Asked::Whole | Asked::Header(_) => id.to_owned(),
    };
    let partial = status == StatusCode::PARTIAL_CONTENT;
    let whole = size.checked_sub(1).map(|end| Span { start: 0, end });
    let faults = shared.faults.of_body(id, span.or(whole), partial);
    let (plan, content_range) = plan(file, size, span.or(whole), &faults);
    Ok(Found {
        status,
        tag,
        content_range: content_range.filter(|_| partial),
        plan,
    })
}

/// Opens a blob; anything but a regular file is not found.
async fn open(path: PathBuf) -> io::Result<(Arc<File>, u64)> {
    tokio::task::spawn_blocking(move || {
        // Metadata first: opening a FIFO would block until a writer comes.
        if !std::fs::metadata(&path)?.is_file() {
            return Err(io::ErrorKind::NotFound.into());
        }
        let file = File::open(&path)?;
        let size = file.metadata()?.len();
        Ok((Arc::new(file), size))
    })
    .await
    .map_err(io::Error::other)?
}

/// What to send of `span` (none for an empty blob) and which `Content-Range` to claim, as the faults have it.
fn plan(
    file: Arc<File>,
    size: u64,
    span: Option<Span>,
    faults: &[Fault],
) -> (Plan, Option<String>) {
    let mut start = span.map_or(0, |span| span.start);
    let mut length = span.map_or(0, |span| span.end - span.start + 1);
    let mut claimed_missing = 0;
    let mut total = size;
    for fault in faults {
        match *fault {
            Fault::ShortRange { missing } => {
                // A range of no byte can not be claimed.
                let missing = missing.min(length.saturating_sub(1));
                length -= missing;
            }
            Fault::OtherStart { shift } => {
                let shift = shift.min(length.saturating_sub(1));
                start += shift;
                length -= shift;
            }
            Fault::OtherTotal { total: other } => total = other,
            _ => {}
        }
    }
    for fault in faults {
        if let Fault::ShortBody { missing } = *fault {
            claimed_missing = missing.min(length);
        }
    }
    let content_range = (length > 0).then(|| {
        let end = start + length - 1;
        format!("bytes {start}-{end}/{total}")
    });
    let mut plan = Plan {
        file,
        start,
        length: length - claimed_missing,
        extra: 0,
        told: true,
        wrong: Vec::new(),
        disconnect: None,
        stall: None,
        rate: None,
    };
    for fault in faults {
        match *fault {
            Fault::LongBody { extra } => plan.extra = extra,
            Fault::NoLength => plan.told = false,
            Fault::WrongBytes { at } => plan.wrong.push(at),
            Fault::Disconnect { after } => plan.disconnect = Some(after),
            Fault::Stall { after } => plan.stall = Some(after),
            Fault::Slow { bytes_per_second } => plan.rate = Some(bytes_per_second.max(1)),
            _ => {}
        }
    }
    (plan, content_range)
}
