//! Live events by SSE.
//!
//! Invariants: those of [`live`](crate::live). A stream for one job begins with where the job stands and ends after its
//! end; each stream ends when its caller's rights do, and when the server stops.

use std::{convert::Infallible, pin::Pin, sync::Arc, time::Duration};

use axum::{
    body::Body,
    extract::State,
    http::{HeaderMap, HeaderName, HeaderValue, StatusCode, header},
    response::{IntoResponse, Response},
};
use bytes::Bytes;
use futures_util::stream;
use longhaul_types::event::EventFilter;
use tokio::time::{Instant, Sleep, sleep};

use super::App;
use crate::{
    access::{Caller, StreamSlot},
    answer::Refusal,
    live::{Follow, FollowAll, Notice},
    metrics::OpenStream,
    query::Query,
    request::Id,
};

/// What a client that was here before sends when it comes again.
const LAST_EVENT_ID: HeaderName = HeaderName::from_static("last-event-id");
/// Milliseconds after which a client may come again, at least and at most: many that lost their streams at once, when
/// the server was replaced say, do not come at once.
const RETRY: std::ops::Range<u32> = 1000..3000;

/// `GET /api/v1/events?kind&label.NAME&job&event&state`: every event that the caller may see, from now on.
pub(super) async fn all(
    State(app): State<Arc<App>>,
    caller: Caller,
    headers: HeaderMap,
    mut query: Query,
) -> Result<Response, Refusal> {
    let filter = filter(&mut query)?;
    query.finish()?;
    // Whoever was here before has missed what came between.
    let missed = headers.contains_key(LAST_EVENT_ID);
    let follow = FollowAll::begin(&app, &caller, filter, missed);
    answer(&app, caller, Source::All(follow))
}

/// `GET /api/v1/jobs/{id}/events`: where the job stands, then what happens to it until it ends.
pub(super) async fn one(
    State(app): State<Arc<App>>,
    caller: Caller,
    headers: HeaderMap,
    Id(id): Id,
    query: Query,
) -> Result<Response, Refusal> {
    query.finish()?;
    let follow = Follow::begin(&app, &caller, &id).await?;
    let last = headers.get(LAST_EVENT_ID);
    let last = last.and_then(|id| id.to_str().ok()?.parse().ok());
    if follow.is_ended() && last == Some(follow.job().revision) {
        // It has seen the end. This, by the standard, is how a client is told not to come again.
        return Ok(StatusCode::NO_CONTENT.into_response());
    }
    answer(&app, caller, Source::One(Box::new(follow)))
}

fn filter(query: &mut Query) -> Result<EventFilter, Refusal> {
    let filter = EventFilter {
        kinds: query.all("kind"),
        labels: query.labels()?,
        job_ids: query.each("job")?,
        events: query.all("event"),
        states: query.each("state")?,
    };
    filter
        .check()
        .map_err(|error| Refusal::bad(error.to_string()))?;
    Ok(filter)
}

/// A stream that ends by itself, with its server, or when its caller is not to be answered any more.
fn answer(app: &App, caller: Caller, source: Source) -> Result<Response, Refusal> {
    const BUFFERING: HeaderName = HeaderName::from_static("x-accel-buffering");
    let heartbeat = app.limits.heartbeat;
    let slot = caller.open_stream()?;
    let feed = Feed {
        source,
        caller,
        heartbeat,
        quiet: Box::pin(sleep(heartbeat)),
        begun: false,
        _open: (app.metrics.open_stream(), slot),
    };
    let body = Body::from_stream(stream::unfold(feed, |mut feed| async {
        let frame = feed.next().await?;
        Some((Ok::<_, Infallible>(frame), feed))
    }));
    let kind = (header::CONTENT_TYPE, "text/event-stream");
    let mut response = ([kind], body).into_response();
    // A proxy that gathers a stream would hold events back.
    let no = HeaderValue::from_static("no");
    response.headers_mut().insert(BUFFERING, no);
    Ok(response)
}

/// What is followed.
enum Source {
    One(Box<Follow>),
    All(FollowAll),
}

impl Source {
    async fn next(&mut self) -> Option<Arc<Notice>> {
        match self {
            Self::One(follow) => follow.next().await,
            Self::All(follow) => follow.next().await,
        }
    }
}

/// A stream on its way to a client.
struct Feed {
    source: Source,
    caller: Caller,
    heartbeat: Duration,
    quiet: Pin<Box<Sleep>>,
    begun: bool,
    _open: (OpenStream, Option<StreamSlot>),
}

impl Feed {
    async fn next(&mut self) -> Option<Bytes> {
        if !self.begun {
            // At once, so that the client knows that it is let in.
            self.begun = true;
            return Some(format!("retry: {}\n\n", fastrand::u32(RETRY)).into());
        }
        let frame = tokio::select! {
            biased;
            () = self.caller.ended() => return None,
            notice = self.source.next() => notice?.frame(),
            () = &mut self.quiet => Bytes::from_static(b":\n\n"),
        };
        self.quiet.as_mut().reset(Instant::now() + self.heartbeat);
        Some(frame)
    }
}
