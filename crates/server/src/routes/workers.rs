//! Workers elsewhere: they join, claim, report and finish over HTTP. docs/remote-workers.md is the protocol in a page.
//!
//! Invariant: a worker reads and writes only jobs it holds, under its claims, and only where its caller has the right to
//! work.

use std::{collections::HashMap, io, sync::Arc, time::Duration};

use axum::{
    Json as Answer,
    body::Body,
    extract::{FromRequestParts, Path, State},
    http::{HeaderMap, StatusCode, header, request::Parts},
    response::Response,
};
use bytes::Bytes;
use futures_util::{Stream, StreamExt, stream};
use longhaul::{
    engine,
    model::{Seq, WorkerId},
};
use longhaul_types::{
    ErrorCode,
    body::{Artifact, ArtifactPage, ItemPage},
    worker::{
        ClaimAnswer, ClaimRequest, HeartbeatAnswer, HeartbeatRequest, JoinAnswer, JoinRequest,
        ReportAnswer, ReportRequest, WorkerPage,
    },
};
use tokio::time::timeout;

use super::{App, artifacts, jobs::new_job, parts};
use crate::{
    access::{Caller, Right},
    answer::Refusal,
    query::Query,
    request::Json,
};

/// Bytes of a file's media type.
const MEDIA_TYPE: usize = 256;

/// `GET /api/v1/workers`: those that live.
pub(super) async fn list(
    State(app): State<Arc<App>>,
    query: Query,
) -> Result<Answer<WorkerPage>, Refusal> {
    query.finish()?;
    let workers = app.engine.workers().await?;
    Ok(Answer(WorkerPage { workers }))
}

/// `POST /api/v1/workers`.
pub(super) async fn join(
    State(app): State<Arc<App>>,
    caller: Caller,
    query: Query,
    body: Json,
) -> Result<(StatusCode, Answer<JoinAnswer>), Refusal> {
    query.finish()?;
    let request: JoinRequest = body.parse()?;
    for kind in &request.kinds {
        let queues = request.queues.keys().map(String::as_str);
        for queue in queues.chain(kind.queue.as_deref()) {
            caller.may_work(&kind.name, queue)?;
        }
    }
    let answer = app.engine.remote().join(request, caller.token()).await?;
    Ok((StatusCode::CREATED, Answer(answer)))
}

/// `DELETE /api/v1/workers/{worker}`: what it holds is given back.
pub(super) async fn leave(
    State(app): State<Arc<App>>,
    caller: Caller,
    place: Place,
    query: Query,
) -> Result<StatusCode, Refusal> {
    query.finish()?;
    may_work_as(&app, &caller, &place.worker)?;
    app.engine.remote().leave(&place.worker).await?;
    Ok(StatusCode::NO_CONTENT)
}

/// `POST …/claim`: due jobs, or what comes within the time that the worker waits.
pub(super) async fn claim(
    State(app): State<Arc<App>>,
    caller: Caller,
    place: Place,
    query: Query,
    body: Json,
) -> Result<Answer<ClaimAnswer>, Refusal> {
    query.finish()?;
    may_work_as(&app, &caller, &place.worker)?;
    let request: ClaimRequest = body.parse()?;
    let remote = app.engine.remote();
    let answer = tokio::select! {
        biased;
        answer = remote.claim(&place.worker, request) => answer?,
        // A server that stops has nothing to give.
        () = app.stopping.cancelled() => ClaimAnswer::default(),
    };
    Ok(Answer(answer))
}

/// `POST …/heartbeat`: the lease goes on; what must stop, and what is lost.
pub(super) async fn heartbeat(
    State(app): State<Arc<App>>,
    caller: Caller,
    place: Place,
    query: Query,
    body: Json,
) -> Result<Answer<HeartbeatAnswer>, Refusal> {
    query.finish()?;
    may_work_as(&app, &caller, &place.worker)?;
    let request: HeartbeatRequest = body.parse()?;
    let remote = app.engine.remote();
    let answer = tokio::select! {
        biased;
        answer = remote.heartbeat(&place.worker, request) => answer?,
        () = app.stopping.cancelled() => HeartbeatAnswer::default(),
    };
    Ok(Answer(answer))
}

/// `POST …/jobs/{claim}/report`: what a run says, with its end if it ends.
pub(super) async fn report(
    State(app): State<Arc<App>>,
    caller: Caller,
    place: Place,
    query: Query,
    body: Json,
) -> Result<Answer<ReportAnswer>, Refusal> {
    query.finish()?;
    may_work_on(&app, &caller, &place.worker)?;
    let mut request: ReportRequest = body.parse()?;
    let remote = app.engine.remote();
    let submit = std::mem::take(&mut request.submit);
    let mut jobs = Vec::with_capacity(submit.len());
    if !submit.is_empty() {
        let owner = remote.owner(&place.worker, &place.claim).await?;
        for one in submit {
            let mut job = new_job(&app, &caller, one, None)?;
            job.owner.clone_from(&owner);
            jobs.push(job);
        }
    }
    let report = remote.report(&place.worker, &place.claim, request, jobs);
    Ok(Answer(report.await?))
}

/// `GET …/jobs/{claim}/items`: by position.
pub(super) async fn items(
    State(app): State<Arc<App>>,
    caller: Caller,
    place: Place,
    query: Query,
) -> Result<Answer<ItemPage>, Refusal> {
    let job = held(&app, &caller, &place).await?;
    parts::item_page(&app, job, query).await
}

/// `GET …/jobs/{claim}/artifacts`: by name.
pub(super) async fn files(
    State(app): State<Arc<App>>,
    caller: Caller,
    place: Place,
    query: Query,
) -> Result<Answer<ArtifactPage>, Refusal> {
    query.finish()?;
    let job = held(&app, &caller, &place).await?;
    artifacts::page(&app, job).await
}

/// `GET …/jobs/{claim}/artifacts/{name}`: the file, or a range of it.
pub(super) async fn download(
    State(app): State<Arc<App>>,
    caller: Caller,
    place: Place,
    headers: HeaderMap,
    query: Query,
) -> Result<Response, Refusal> {
    query.finish()?;
    let job = held(&app, &caller, &place).await?;
    artifacts::file(&app, job, &place.name, &headers).await
}

/// `PUT …/jobs/{claim}/artifacts/{name}`: stores the body as a file of the job; one of that name is replaced.
pub(super) async fn upload(
    State(app): State<Arc<App>>,
    caller: Caller,
    place: Place,
    headers: HeaderMap,
    query: Query,
    body: Body,
) -> Result<(StatusCode, Answer<Artifact>), Refusal> {
    query.finish()?;
    may_work_on(&app, &caller, &place.worker)?;
    let media = media_type(&headers)?;
    let limit = app.engine.limits().artifact;
    let length = headers.get(header::CONTENT_LENGTH);
    let length = length.and_then(|value| value.to_str().ok()?.parse::<u64>().ok());
    if length.is_some_and(|length| length > limit) {
        return Err(engine::Error::from(longhaul::artifacts::Error::TooLarge(limit)).into());
    }
    let content = Box::pin(flow(body, app.limits.body_time));
    let remote = app.engine.remote();
    let stored = remote.put_artifact(&place.worker, &place.claim, &place.name, media, content);
    Ok((StatusCode::CREATED, Answer(stored.await?)))
}

/// The file's media type; bytes when nothing is said.
fn media_type(headers: &HeaderMap) -> Result<&str, Refusal> {
    let Some(value) = headers.get(header::CONTENT_TYPE) else {
        return Ok("application/octet-stream");
    };
    let text = value.to_str().unwrap_or_default();
    let parts = text.split(';').next().unwrap_or_default().split_once('/');
    let named = parts.is_some_and(|(kind, rest)| {
        let token = |text: &str| {
            let known = |c: char| c.is_ascii_alphanumeric() || "!#$&^_.+-".contains(c);
            !text.is_empty() && text.chars().all(known)
        };
        token(kind.trim()) && token(rest.trim())
    });
    if named && text.len() <= MEDIA_TYPE {
        return Ok(text);
    }
    Err(Refusal::bad(
        "Content-Type: say the file's media type, as text/plain, or leave it out",
    ))
}

/// A body that must go on: without a byte for `patience` it ends with an error.
fn flow(body: Body, patience: Duration) -> impl Stream<Item = io::Result<Bytes>> {
    stream::unfold(body.into_data_stream(), move |mut body| async move {
        let next = match timeout(patience, body.next()).await {
            Ok(next) => next?.map_err(io::Error::other),
            Err(_) => Err(io::Error::new(
                io::ErrorKind::TimedOut,
                format!("no byte came for {patience:?}"),
            )),
        };
        Some((next, body))
    })
}

/// Lets a caller go on as a worker that its token has joined, and whose kinds and queues it may work. To any other but an
/// administrator the worker does not exist.
fn may_work_as(app: &App, caller: &Caller, worker: &WorkerId) -> Result<(), Refusal> {
    let reach = app.engine.remote().reach(worker)?;
    let joined = reach.by.is_some() && reach.by == caller.token();
    if !joined && !caller.has(Right::Admin) {
        return Err(engine::Error::UnknownWorker(worker.as_str().to_owned()).into());
    }
    for kind in &reach.kinds {
        for queue in &reach.queues {
            caller.may_work(kind, queue)?;
        }
    }
    Ok(())
}

/// The same for what is under a claim: a worker that does not live has lost it.
fn may_work_on(app: &App, caller: &Caller, worker: &WorkerId) -> Result<(), Refusal> {
    may_work_as(app, caller, worker).map_err(|refusal| match refusal.code() {
        ErrorCode::UnknownWorker => engine::Error::ClaimLost.into(),
        _ => refusal,
    })
}

async fn held(app: &App, caller: &Caller, place: &Place) -> Result<Seq, Refusal> {
    may_work_on(app, caller, &place.worker)?;
    Ok(app.engine.remote().job(&place.worker, &place.claim).await?)
}

/// What the path names: a worker, and of it a claim and a file.
pub(super) struct Place {
    worker: WorkerId,
    claim: String,
    name: String,
}

impl<S: Send + Sync> FromRequestParts<S> for Place {
    type Rejection = Refusal;

    async fn from_request_parts(parts: &mut Parts, state: &S) -> Result<Self, Refusal> {
        let path = Path::<HashMap<String, String>>::from_request_parts(parts, state).await;
        let mut path = path.map_err(|rejection| Refusal::bad(rejection.body_text()))?;
        let mut take = |name| path.remove(name).unwrap_or_default();
        Ok(Self {
            worker: WorkerId::named(take("worker")),
            claim: take("claim"),
            name: take("name"),
        })
    }
}
